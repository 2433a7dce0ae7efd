// Ten thousand utterances through one element, live and not: each ends in exactly one outcome,
// memory stays flat, and nothing is left afterwards. Needs GST_TRACERS=leaks.
#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "alive.h"
#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

constexpr int kTexts = 10000;
constexpr int kWarmUp = 4000;          // texts after which memory may grow no more ...
constexpr long kGrowthKib = 2 * 1024;  // ... but for this: 350 bytes a text
constexpr int kBatch = 20;
constexpr int kPatience = 100000;  // buffers: the clock of the test does not wait for the engine

// How each text ended. Thread-safety: safe.
class Outcomes {
 public:
  Outcomes() : ends_(kTexts + 1, 0) {}

  // False: not an outcome.
  bool add(const std::string& name, guint64 id, const std::string& reason) {
    if (name != "utterance-end" && name != "utterance-dropped") return false;
    std::lock_guard<std::mutex> lock(mutex_);
    fail_unless(id >= 1 && id <= kTexts, "an outcome of text %d", static_cast<int>(id));
    ++ends_[id];
    ++reasons_[reason];
    return true;
  }
  // One for each of the texts 1 to kTexts, and some of each of `reasons`.
  void check(const std::vector<std::string>& reasons) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (int id = 1; id <= kTexts; ++id) {
      fail_unless(ends_[static_cast<size_t>(id)] == 1, "text %d ended %d times", id,
                  ends_[static_cast<size_t>(id)]);
    }
    for (const std::string& reason : reasons) {
      fail_unless(reasons_[reason] > kTexts / 200, "%d texts ended as %s", reasons_[reason],
                  reason.c_str());
    }
  }

 private:
  std::mutex mutex_;  // guards all below
  std::vector<int> ends_;
  std::map<std::string, int> reasons_;
};

// Memory from the end of the warm-up on.
class Memory {
 public:
  // After `texts` texts.
  void look(int texts) {
    const long now = resident_kib();
    if (texts <= kWarmUp) most_ = std::max(most_, now);
    last_ = now;
  }
  void check() const {
    fail_unless(last_ <= most_ + kGrowthKib, "%ld KiB, then %ld KiB", most_, last_);
  }

 private:
  long most_ = 0, last_ = 0;
};

std::string text_of(int number) { return "Text " + std::to_string(number) + "."; }

// Counts the outcomes told since the last call.
size_t count_outcomes(LiveRig* rig, Outcomes* outcomes) {
  size_t count = 0;
  for (const LiveMessage& message : rig->take_messages()) {
    count += outcomes->add(message.name, message.id, message.reason);
  }
  return count;
}

// The buffer before is forgotten.
void step(LiveRig* rig) {
  rig->buffers.clear();
  rig->step();
}

void step_to_sound(LiveRig* rig, guint64 id) {
  for (int i = 0; rig->buffers.empty() || rig->buffers.back().id != id; ++i) {
    fail_unless(i < kPatience, "text %d does not sound", static_cast<int>(id));
    step(rig);
  }
}

// kBatch texts that are heard, cancelled while they wait and while they sound, interrupted, late.
void speak_live_batch(LiveRig* rig, Outcomes* outcomes) {
  const guint64 least =
      rig->speak_full("priority=-1, on-interrupt=drop, text=\"" + std::string(200, 'x') + "\"");
  step_to_sound(rig, least);
  rig->speak_full("priority=1, text=\"Attention.\"");
  for (int i = 2; i < kBatch - 2; ++i) fail_unless(rig->speak(text_of(i)) > 0);
  fail_unless(rig->cancel(least + kBatch / 2));
  const guint64 late = rig->speak_full("ttl=(guint64)1, text=\"Too late.\"");
  const guint64 last = rig->speak("The last one, which is cancelled before its end.");
  fail_unless_equals_int(static_cast<int>(last), static_cast<int>(late) + 1);
  fail_unless_equals_int(static_cast<int>(last - least), kBatch - 1);
  step_to_sound(rig, last);
  rig->cancel(last);
  size_t told = count_outcomes(rig, outcomes);
  for (int i = 0; told < kBatch; ++i) {
    fail_unless(i < kPatience, "%d texts are open", kBatch - static_cast<int>(told));
    step(rig);
    told += count_outcomes(rig, outcomes);
  }
}

void speak_live() {
  Alive alive;
  {
    LiveRig warm_up;  // what GStreamer keeps for the process is made here
    warm_up.speak("One.");
    warm_up.step_to_end(1);
  }
  alive.keep();
  {
    Outcomes outcomes;
    Memory memory;
    LiveRig rig("segment-gap=0 model-path=tone:samples_per_byte=40");
    for (int texts = kBatch; texts <= kTexts; texts += kBatch) {
      speak_live_batch(&rig, &outcomes);
      tone_record();
      alive.by_type();
      memory.look(texts);
    }
    outcomes.check({"done", "cancelled", "interrupted", "late"});
    memory.check();
  }
  check_text(alive.left(), "");
  fail_unless(tone_all_gone());
}

void take_outcome(GstMessage* message, void* outcomes) {
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT) return;
  const GstStructure* s = gst_message_get_structure(message);
  const std::string name = gst_structure_get_name(s);
  guint64 id = 0;
  gst_structure_get_uint64(s, "id", &id);
  const char* reason = gst_structure_get_string(s, "reason");
  static_cast<Outcomes*>(outcomes)->add(name.substr(name.find('/') + 1), id, reason ? reason : "");
}

// Waits while the element has all the texts that may wait.
guint64 speak(Player* p, const std::string& text) {
  guint64 id = 0;
  const bool taken = wait_until([&] {
    g_signal_emit_by_name(p->element(), "speak", text.c_str(), &id);
    return id > 0;
  });
  fail_unless(taken, "no space for a text");
  return id;
}

// More sound than is kept for seeking comes in the warm-up: 0.2 s a text and 600 s in all.
void speak_at_once() {
  Alive alive;
  { fail_unless(Player({{"model-path", "tone:"}, {"text", "One."}}).play()); }
  alive.keep();
  {
    Outcomes outcomes;
    Memory memory;
    Player p({{"model-path", "tone:samples_per_byte=440"},
              {"segment-gap", "0"},
              {"keep-alive", "true"},
              {"buffer-duration", "1000000000"}});
    p.on_message(take_outcome, &outcomes);
    p.keep_no_bytes();
    p.go_to(GST_STATE_PLAYING, 0);
    for (int texts = 1; texts <= kTexts; ++texts) {
      const guint64 id = speak(&p, text_of(1000 + texts));
      fail_unless_equals_int(static_cast<int>(id), texts);
      gboolean known = FALSE;
      if (texts % kBatch == 0) g_signal_emit_by_name(p.element(), "cancel", id, &known);
      if (texts % kBatch > 0) continue;
      p.forget();
      p.forget_messages();
      tone_record();
      alive.by_type();
      memory.look(texts);
    }
    GstFlowReturn flow;
    g_signal_emit_by_name(p.element(), "end-of-stream", &flow);
    fail_unless(p.wait_end());
    outcomes.check({"done", "cancelled"});
    memory.check();
    p.on_message(nullptr, nullptr);
  }
  check_text(alive.left(), "");
  fail_unless(tone_all_gone());
}

}  // namespace

CASE(ten_thousand_live) { speak_live(); }
CASE(ten_thousand_at_once) { speak_at_once(); }

RUN_CASES("soak")
