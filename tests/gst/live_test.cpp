// Live mode, rule by rule, on a test clock: docs/element.md, Live mode and Queue.
#include <algorithm>
#include <cmath>
#include <string>

#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

constexpr GstClockTime kStep = 20 * GST_MSECOND;

// The sound of one text as the non-live element speaks it.
std::vector<float> spoken(const std::string& text, const std::string& gap = "200000000") {
  Player p({{"model-path", "tone:"}, {"text", text}, {"seed", "1"}, {"segment-gap", gap}});
  fail_unless(p.play());
  return p.floats();
}

void check_continuous(const std::vector<LiveBuffer>& buffers) {
  for (size_t i = 1; i < buffers.size(); ++i) {
    const GstClockTime end = buffers[i - 1].pts + buffers[i - 1].duration;
    fail_unless(buffers[i].pts == end || buffers[i].discont, "a hole before buffer %d",
                static_cast<int>(i));
  }
}

float largest_jump(const std::vector<float>& samples) {
  float largest = 0;
  for (size_t i = 1; i < samples.size(); ++i) {
    largest = std::max(largest, std::fabs(samples[i] - samples[i - 1]));
  }
  return largest;
}

std::vector<float> all_samples(const LiveRig& rig) {
  std::vector<float> samples;
  for (const LiveBuffer& buffer : rig.buffers) {
    samples.insert(samples.end(), buffer.samples.begin(), buffer.samples.end());
  }
  return samples;
}

}  // namespace

// Silence with the GAP flag at the pace of the clock, one buffer ahead of it, without holes.
CASE(idle_is_silence) {
  LiveRig rig;
  rig.step(50);
  check_continuous(rig.buffers);
  fail_unless_equals_uint64(rig.buffers[0].pts, 0);
  for (const LiveBuffer& buffer : rig.buffers) {
    fail_unless(buffer.gap);
    fail_unless_equals_uint64(buffer.samples.size(), 441);
  }
  fail_unless(rig.buffers.back().pts <= rig.now() + 2 * kStep);
  fail_unless(rig.now() <= rig.buffers.back().pts);
}

// A text sounds from now on, sample by sample as it does without live mode.
CASE(speaks_from_now_on) {
  LiveRig rig;
  rig.step(100);
  const GstClockTime asked = rig.now();
  const guint64 id = rig.speak("First words. And some more of them.");
  fail_unless_equals_uint64(id, 1);
  rig.wait_spoken(2);
  rig.step_to_end(id);
  rig.step(3);
  check_continuous(rig.buffers);
  const auto start = rig.messages("utterance-start", id);
  fail_unless_equals_int(static_cast<int>(start.size()), 1);
  size_t at = 0;
  while (rig.buffers[at].id != id) ++at;
  fail_unless_equals_uint64(rig.buffers[at].pts, start[0].running_time);
  fail_unless(start[0].buffers_before <= at);
  fail_unless(rig.buffers[at].pts >= asked && rig.buffers[at].pts <= asked + 3 * kStep);
  std::vector<float> sound = all_samples(rig);
  const std::vector<float> wanted = spoken("First words. And some more of them.");
  const auto from = sound.begin() + static_cast<long>(at) * 441;
  fail_unless(std::equal(wanted.begin(), wanted.end(), from));
  const auto end = rig.messages("utterance-end", id);
  check_text(end[0].reason, "done");
  fail_unless_equals_uint64(end[0].heard, 35);
  fail_unless_equals_uint64(
      end[0].running_time,
      rig.buffers[at].pts + gst_util_uint64_scale(wanted.size(), GST_SECOND, 22050));
}

// lead-time of silence between the message and the sound; the next text is announced while the one
// before it sounds.
CASE(lead_time) {
  LiveRig rig("lead-time=300000000 segment-gap=0");
  rig.step(10);
  const guint64 one = rig.speak("A first one that is long enough to be spoken for a while.");
  rig.wait_spoken(1);
  const GstClockTime asked = rig.buffers.back().pts;
  rig.step_to_sound(one);
  fail_unless(rig.buffers.back().pts >= asked + 300 * GST_MSECOND);
  const guint64 two = rig.speak("A second one.");
  rig.wait_spoken(2);
  rig.step_to_sound(two);
  const auto first_end = rig.messages("utterance-end", one)[0];
  const auto later = rig.messages("utterance-start", two)[0];
  fail_unless_equals_uint64(rig.buffers.back().pts, later.running_time);
  fail_unless_equals_uint64(first_end.running_time, later.running_time);
  size_t at = 0;
  while (rig.buffers[at].pts + 280 * GST_MSECOND < later.running_time) ++at;
  fail_unless(later.buffers_before <= at + 1, "announced too late");
}

CASE(not_before) {
  LiveRig rig;
  const guint64 id = rig.speak_full("text=Later., not-before=(guint64)1000000001");
  const guint64 soon = rig.speak("Now.");
  rig.wait_spoken(2);
  rig.step_to_sound(soon);
  rig.step_to_sound(id);
  fail_unless(rig.buffers.back().pts >= GST_SECOND &&
              rig.buffers.back().pts < GST_SECOND + 100 * GST_USECOND);
}

// One that is too old is dropped with a message; `ttl` of one text counts like max-lateness of all.
CASE(too_late) {
  LiveRig rig("segment-gap=0 max-lateness=2000000000");
  const guint64 one = rig.speak(std::string(100, 'a') + ".");  // 1 s
  const guint64 two = rig.speak_full("text=Second., ttl=(guint64)500000000");
  const guint64 three = rig.speak("Third.");
  rig.wait_spoken(3);
  for (guint64 id : {one, two, three}) rig.step_to_end(id);
  check_text(rig.messages("utterance-end", one)[0].reason, "done");
  check_text(rig.messages("utterance-dropped", two)[0].reason, "late");
  check_text(rig.messages("utterance-end", three)[0].reason, "done");
  fail_unless(rig.samples_of(two).empty());
}

// Barge-in: silence two buffers after cancel, and no click.
CASE(cancel_fades_within_40_ms) {
  LiveRig rig;
  const guint64 id = rig.speak(std::string(100, 'b') + ".");
  rig.wait_spoken(1);
  rig.step_to_sound(id);
  rig.step(10);
  const size_t before = rig.buffers.size();
  const float loudest = largest_jump(rig.samples_of(id));
  fail_unless(rig.cancel(id));
  rig.step_to_end(id);
  rig.step(5);
  size_t sounding = 0;
  for (size_t i = before; i < rig.buffers.size(); ++i) sounding += rig.buffers[i].id == id;
  fail_unless(sounding <= 2, "%d buffers after cancel", static_cast<int>(sounding));
  check_continuous(rig.buffers);
  const std::vector<float> sound = all_samples(rig);
  fail_unless(largest_jump(sound) <= loudest * 1.01f, "a click of %f, not %f",
              static_cast<double>(largest_jump(sound)), static_cast<double>(loudest));
  const auto end = rig.messages("utterance-end", id);
  fail_unless_equals_int(static_cast<int>(end.size()), 1);
  check_text(end[0].reason, "cancelled");
  const double share = static_cast<double>(rig.samples_of(id).size()) / (101 * 220);
  fail_unless(std::fabs(static_cast<double>(end[0].heard) - share * 101) <= 1.5);
  fail_if(rig.cancel(id));
  fail_if(rig.cancel(77));
  fail_unless(rig.messages("utterance-dropped", id).empty());
}

// A text of higher priority interrupts; the other goes on at its sentence, or is given up.
CASE(priority_interrupts_and_resumes) {
  LiveRig rig("segment-gap=0");
  const std::string read = "The first sentence. The second sentence. The third.";
  const guint64 sponsor = rig.speak(read);
  rig.wait_spoken(3);
  while (rig.messages("segment-start", sponsor).size() < 2) rig.step();
  rig.step(3);
  const guint64 emergency = rig.speak_full("text=\"Fire!\", priority=10, user-data=alarm");
  rig.wait_spoken(4);
  rig.step_to_end(emergency);
  rig.step_to_end(sponsor);
  const auto paused = rig.messages("utterance-paused", sponsor);
  fail_unless_equals_int(static_cast<int>(paused.size()), 1);
  fail_unless(paused[0].heard > 20 && paused[0].heard < 41);
  const auto start = rig.messages("utterance-start", emergency)[0];
  check_text(start.user_data, "alarm");
  fail_unless_equals_uint64(start.running_time, paused[0].running_time);
  fail_unless_equals_int(static_cast<int>(rig.messages("utterance-resumed", sponsor).size()), 1);
  fail_unless_equals_int(static_cast<int>(rig.messages("segment-start", sponsor).size()), 4);
  check_text(rig.messages("utterance-end", sponsor)[0].reason, "done");
  fail_unless(frequencies(rig.samples_of(emergency)) == std::vector<int>{frequency_of("Fire!")} ||
              std::abs(frequencies(rig.samples_of(emergency))[0] - frequency_of("Fire!")) <= 10);
  // The second sentence is heard as a whole after the interruption.
  const std::vector<float> whole = spoken(read, "0");
  const std::vector<float> heard = rig.samples_of(sponsor);
  const std::vector<float> rest(whole.begin() + 220 * 19, whole.end());
  fail_unless(heard.size() >= rest.size());
  fail_unless(std::equal(rest.begin(), rest.end(), heard.end() - static_cast<long>(rest.size())));
}

CASE(priority_interrupts_and_drops) {
  LiveRig rig;
  const guint64 sponsor =
      rig.speak_full("text=\"A sponsor read. With a second part.\", on-interrupt=drop");
  rig.wait_spoken(2);
  rig.step_to_sound(sponsor);
  const guint64 emergency = rig.speak_full("text=\"Fire!\", priority=1");
  rig.wait_spoken(3);
  rig.step_to_end(sponsor);
  rig.step_to_end(emergency);
  check_text(rig.messages("utterance-end", sponsor)[0].reason, "interrupted");
  check_text(rig.messages("utterance-end", emergency)[0].reason, "done");
}

// Higher priorities first, equal ones in order, also among those that wait.
CASE(order_of_the_queue) {
  LiveRig rig("segment-gap=0");
  const guint64 a = rig.speak("The one that sounds.");
  rig.wait_spoken(1);
  rig.step_to_sound(a);
  const guint64 low = rig.speak_full("text=\"Low one.\", priority=-5");
  const guint64 b = rig.speak("Same one."), c = rig.speak("Same two.");
  rig.wait_spoken(4);
  for (guint64 id : {low, b, c}) rig.step_to_end(id);
  std::vector<guint64> order;
  for (const LiveBuffer& buffer : rig.buffers) {
    if (buffer.id && (order.empty() || order.back() != buffer.id)) order.push_back(buffer.id);
  }
  fail_unless(order == std::vector<guint64>({a, b, c, low}));
}

CASE(queue_modes) {
  LiveRig rig;
  const guint64 one = rig.speak("One one one one."), two = rig.speak("Two.");
  rig.wait_spoken(2);
  rig.step_to_sound(one);
  const guint64 three = rig.speak_full("text=Three., mode=replace-pending");
  check_text(rig.messages("utterance-end", two)[0].reason, "cancelled");
  const guint64 four = rig.speak_full("text=Four., mode=interrupt");
  rig.wait_spoken(3);
  rig.step_to_end(four);
  check_text(rig.messages("utterance-end", one)[0].reason, "cancelled");
  check_text(rig.messages("utterance-end", three)[0].reason, "cancelled");
  check_text(rig.messages("utterance-end", four)[0].reason, "done");
}

// Limits: speak answers 0; also before the element runs, and after the end.
CASE(refusals) {
  LiveRig rig("max-utterances=2");
  fail_unless(rig.speak("One.") == 1 && rig.speak("Two.") == 2);
  fail_unless_equals_uint64(rig.speak("Three."), 0);
  guint queued = 0;
  g_object_get(rig.element(), "queued", &queued, nullptr);
  fail_unless_equals_int(static_cast<int>(queued), 2);
  rig.wait_spoken(2);
  rig.step_to_end(2);
  fail_unless_equals_uint64(rig.speak("Four."), 3);
  fail_unless_equals_uint64(rig.speak(""), 0);
  fail_unless_equals_uint64(rig.speak_full("text=x., no-such-field=1"), 0);
  fail_unless_equals_uint64(rig.speak_full("text=x., mode=whisper"), 0);
  fail_unless_equals_uint64(rig.speak_full("priority=1"), 0);
  GstFlowReturn flow = GST_FLOW_ERROR;
  g_signal_emit_by_name(rig.element(), "end-of-stream", &flow);
  fail_unless_equals_int(flow, GST_FLOW_OK);
  fail_unless_equals_uint64(rig.speak("Five."), 0);
}

// The custom events, sent as an application sends them to its pipeline.
CASE(control_by_events) {
  LiveRig rig;
  auto send = [&](const char* fields) {
    GstStructure* s = gst_structure_from_string(fields, nullptr);
    return gst_element_send_event(rig.element(),
                                  gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, s));
  };
  fail_unless(send("indextts2/speak, text=\"Spoken by an event.\", seed=(gint64)5"));
  rig.wait_spoken(1);
  rig.step_to_sound(1);
  fail_unless(gst_harness_push_upstream_event(
      rig.harness(),
      gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                           gst_structure_from_string("indextts2/cancel, id=(guint64)1", nullptr))));
  rig.step_to_end(1);
  check_text(rig.messages("utterance-end", 1)[0].reason, "cancelled");
  fail_if(send("indextts2/cancel, id=(guint64)99"));
  tone_record();
}

// Stopping closes every open utterance.
CASE(shutdown_closes_utterances) {
  LiveRig rig;
  const guint64 one = rig.speak("One that sounds now."), two = rig.speak("Two.");
  rig.wait_spoken(2);
  rig.step_to_sound(one);
  gst_element_set_state(rig.element(), GST_STATE_READY);
  check_text(rig.messages("utterance-end", one)[0].reason, "interrupted");
  check_text(rig.messages("utterance-dropped", two)[0].reason, "shutdown");
}

// Nothing but speech with idle-mode=block; gap events with idle-mode=gap.
CASE(idle_modes) {
  for (const char* mode : {"block", "gap"}) {
    LiveRig rig(std::string("idle-mode=") + mode);
    rig.step();  // the first silence brings caps and segment
    for (int i = 0; i < 30; ++i) gst_harness_crank_single_clock_wait(rig.harness());
    fail_unless_equals_int(static_cast<int>(gst_harness_buffers_in_queue(rig.harness())), 0);
    int gaps = 0;
    while (GstEvent* event = gst_harness_try_pull_event(rig.harness())) {
      gaps += GST_EVENT_TYPE(event) == GST_EVENT_GAP;
      gst_event_unref(event);
    }
    fail_unless(std::string(mode) == "gap" ? gaps >= 25 : gaps == 0);
    const guint64 id = rig.speak("Words.");
    rig.wait_spoken(1);
    const GstClockTime now = rig.now();
    rig.step();
    fail_unless_equals_uint64(rig.buffers.back().id, id);
    fail_unless(rig.buffers.back().pts >= now && rig.buffers.back().discont);
  }
}

RUN_CASES("live")
