// GstLeaksTracer over a run of the real engine: playing, a flushing seek, stopping in the middle.
#include <map>
#include <string>
#include <utility>

#include "case.h"
#include "player.h"
#include "tiny_model.h"

using namespace player;

namespace {

constexpr char kText[] = "One sentence. Two sentences. Three of them. Four, no less. And five.";

GObject* leaks_tracer() {
  GObject* found = nullptr;
  GList* tracers = gst_tracing_get_active_tracers();
  for (GList* item = tracers; item; item = item->next) {
    if (std::string(G_OBJECT_TYPE_NAME(item->data)) == "GstLeaksTracer")
      found = G_OBJECT(item->data);
  }
  fail_unless(found != nullptr, "GST_TRACERS=leaks is not in force");
  return found;  // the tracer lives as long as GStreamer
}

// Objects by type that were made since tracking began and are alive. "get-live-objects" would hand
// out the objects themselves; the activity lists are only names and addresses.
class Alive {
 public:
  explicit Alive(GObject* tracer) : tracer_(tracer) {
    g_signal_emit_by_name(tracer_, "activity-start-tracking");
  }
  std::map<std::string, int> by_type() {
    GstStructure* activity = nullptr;
    g_signal_emit_by_name(tracer_, "activity-get-checkpoint", &activity);
    count(activity, "objects-created-list", 1);
    count(activity, "objects-removed-list", -1);
    gst_structure_free(activity);
    std::map<std::string, int> types;
    for (const auto& [object, count] : objects_) {
      if (count > 0) types[object.first] += count;
    }
    return types;
  }

 private:
  void count(const GstStructure* activity, const char* name, int step) {
    const GValue* list = gst_structure_get_value(activity, name);
    for (guint i = 0; list && i < gst_value_list_get_size(list); ++i) {
      const GstStructure* item = gst_value_get_structure(gst_value_list_get_value(list, i));
      const char* type = gst_structure_get_string(item, "type-name");
      const char* address = gst_structure_get_string(item, "address");
      fail_unless(type != nullptr && address != nullptr, "%s without type or address", name);
      objects_[{type, address}] += step;
    }
  }
  GObject* tracer_;
  std::map<std::pair<std::string, std::string>, int> objects_;
};

void play_seek_and_stop() {
  Player p(tiny_model({{"text", kText}, {"max-segment-tokens", "20"}, {"devices", "cpu:2"}}));
  fail_unless(p.go_to(GST_STATE_PLAYING, 60));
  fail_unless(p.wait_end(60));
  const GstClockTime end = p.pieces().back().pts;
  fail_unless(p.seek(end / 2));
  fail_unless(p.wait_samples(441, 60));
  fail_unless(p.seek(0));
  fail_unless(p.wait_samples(441, 60));
}

// A pad, a flush of it, and the stop while texts wait.
void feed_flush_and_stop() {
  Player p(tiny_model({{"devices", "cpu"}}));
  Feeder feeder(p, "pango-markup");
  p.go_to(GST_STATE_PLAYING, 0);
  for (int i = 0; i < 5; ++i) feeder.push("A <b>line</b> of text.", i * GST_SECOND);
  fail_unless(p.wait_samples(441, 60));
  feeder.event(gst_event_new_flush_start());
  feeder.event(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  feeder.event(gst_event_new_segment(&segment));
  for (int i = 0; i < 3; ++i) feeder.push("Another one.", i * GST_SECOND);
  fail_unless(p.wait_samples(441, 60));
}

}  // namespace

CASE(nothing_is_leaked) {
  Alive alive(leaks_tracer());
  play_seek_and_stop();  // what GStreamer keeps for the process is made here
  g_usleep(G_USEC_PER_SEC / 2);
  const std::map<std::string, int> kept = alive.by_type();
  play_seek_and_stop();
  feed_flush_and_stop();
  // A task's thread lets its task go a moment after the pad was stopped.
  std::string left;
  for (int i = 0; i == 0 || (i < 500 && !left.empty()); ++i) {
    g_usleep(10000);
    left.clear();
    for (const auto& [type, count] : alive.by_type()) {
      const auto before = kept.find(type);
      if (count > (before == kept.end() ? 0 : before->second)) {
        left += " " + std::to_string(count) + " " + type;
      }
    }
  }
  fail_unless(left.empty(), "alive after NULL:%s", left.c_str());
}

// The check sees what is kept.
CASE(a_kept_buffer_is_seen) {
  Alive alive(leaks_tracer());
  GstBuffer* kept = gst_buffer_new();
  fail_unless_equals_int(alive.by_type()["GstBuffer"], 1);
  gst_buffer_unref(kept);
  fail_unless_equals_int(alive.by_type()["GstBuffer"], 0);
}

RUN_CASES("leaks")
