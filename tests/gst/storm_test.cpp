// Ten simulated minutes of a live element in a storm of texts, priorities, cancels, pauses and
// property changes.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"

using namespace player;

namespace {

constexpr GstClockTime kStep = 20 * GST_MSECOND;

struct Storm {
  explicit Storm(unsigned seed) : random(seed) {}
  int below(int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); }

  std::string fields(GstClockTime now) {
    std::string text;
    for (int i = below(3); i >= 0; --i) {
      text += std::string(static_cast<size_t>(5 + below(80)), static_cast<char>('a' + below(26))) +
              ". ";
    }
    std::string all = "text=\"" + text + "\", priority=" + std::to_string(below(4) - 1);
    if (below(4) == 0) all += ", ttl=(guint64)" + std::to_string(below(3000) * GST_MSECOND);
    if (below(6) == 0) {
      all += ", not-before=(guint64)" + std::to_string(now + below(4000) * GST_MSECOND);
    }
    if (below(3) == 0) all += ", on-interrupt=drop";
    if (below(40) == 0) all += ", mode=interrupt";
    if (below(40) == 0) all += ", mode=replace-pending";
    return all.find("mode=") == std::string::npos || all.find("mode=") == all.rfind("mode=")
               ? all
               : all.substr(0, all.rfind(", mode="));
  }

  std::mt19937 random;
};

void change_properties(Storm& storm, LiveRig& rig) {
  g_object_set(rig.element(), "lead-time", guint64(storm.below(3)) * 50 * GST_MSECOND, "fade-out",
               guint64(storm.below(4)) * 10 * GST_MSECOND, "segment-gap",
               guint64(storm.below(3)) * 100 * GST_MSECOND, "max-lateness",
               storm.below(3) == 0 ? gint64{8} * GST_SECOND : gint64{-1}, nullptr);
}

void check_sound(const LiveRig& rig) {
  for (size_t i = 1; i < rig.buffers.size(); ++i) {
    const LiveBuffer& before = rig.buffers[i - 1];
    fail_unless(rig.buffers[i].pts == before.pts + before.duration ||
                    (rig.buffers[i].discont && rig.buffers[i].pts > before.pts),
                "a hole before buffer %d", static_cast<int>(i));
  }
}

}  // namespace

CASE(storm) {
  Storm storm(20261126);
  LiveRig rig("max-utterances=40 segment-gap=100000000");
  std::vector<guint64> ids;
  constexpr int kTexts = 1000, kBuffers = 30000;
  for (int i = 0; i < kBuffers; ++i) {
    rig.step();
    if (storm.below(kBuffers / kTexts) == 0) {
      const guint64 id = rig.speak_full(storm.fields(rig.now()));
      if (id > 0) ids.push_back(id);
    }
    if (storm.below(200) == 0 && !ids.empty()) {
      rig.cancel(ids[ids.size() - 1 - static_cast<size_t>(storm.below(5)) % ids.size()]);
    }
    if (storm.below(300) == 0) change_properties(storm, rig);
    if (storm.below(1000) == 0) {
      gst_element_set_state(rig.element(), GST_STATE_PAUSED);
      gst_element_set_state(rig.element(), GST_STATE_PLAYING);
    }
    if (storm.below(3000) == 0) {
      guint count = 0;
      g_signal_emit_by_name(rig.element(), "cancel-all", storm.below(2), &count);
    }
  }
  for (guint64 id : ids) rig.step_to_end(id);
  fail_unless(ids.size() > 500, "%d texts", static_cast<int>(ids.size()));
  check_sound(rig);

  std::map<guint64, GstClockTime> first_sound;
  for (const LiveBuffer& buffer : rig.buffers) {
    if (buffer.id) first_sound.emplace(buffer.id, buffer.pts);
  }
  std::map<guint64, int> ends, starts;
  std::map<std::string, int> reasons;
  std::map<guint64, GstClockTime> told_start;
  for (const LiveMessage& message : rig.messages()) {
    if (message.name == "utterance-end" || message.name == "utterance-dropped") {
      ++ends[message.id];
      ++reasons[message.reason];
    }
    if (message.name == "utterance-start" || message.name == "utterance-resumed") {
      // The last announcement before the first sound counts.
      if (!first_sound.count(message.id) || message.running_time <= first_sound[message.id]) {
        told_start[message.id] = message.running_time;
      }
    }
  }
  for (guint64 id : ids) fail_unless_equals_int(ends[id], 1);
  for (const auto& [id, time] : first_sound) {
    fail_unless(told_start.count(id) == 1 && time - told_start[id] <= kStep,
                "text %d sounds at %" GST_TIME_FORMAT ", told %" GST_TIME_FORMAT,
                static_cast<int>(id), GST_TIME_ARGS(time), GST_TIME_ARGS(told_start[id]));
  }
  for (const char* reason : {"done", "cancelled", "late", "interrupted"}) {
    fail_unless(reasons[reason] > 0, "no text ended as %s", reason);
  }
}

RUN_CASES("storm")
