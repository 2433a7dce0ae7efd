// What others may ask of the element and send to it, and the facts that buffers carry beside the
// sound.
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

constexpr char kText[] = "One here. Two here. Three here.";
const Properties kBook = {{"model-path", "tone:"}, {"text", kText}, {"seed", "1"}};

// Of the tone engine: 220 samples for each letter; segment-gap between segments.
constexpr guint64 kSecond = 220 * 9 + 4410;  // first sample of the second segment

GstClockTime time_of(guint64 sample) { return gst_util_uint64_scale(sample, GST_SECOND, 22050); }

guint64 number(const GstStructure* fields, const char* name) {
  guint64 value = G_MAXUINT64;
  fail_unless(gst_structure_get_uint64(fields, name, &value), "no %s", name);
  return value;
}

guint64 stat(GstElement* element, const char* name) {
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  const guint64 value = number(stats, name);
  gst_structure_free(stats);
  return value;
}

GstEvent* qos(GstClockTimeDiff late) {
  return gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, late, GST_SECOND);
}

// Metas of one kind on the buffers of the src pad.
struct Metas {
  struct Meta {
    GstClockTime pts, time, duration;
  };
  std::vector<Meta> all;
  size_t spoken = 0;  // buffers that are not silent

  static GstPadProbeReturn see_times(GstPad*, GstPadProbeInfo* info, gpointer data) {
    GstBuffer* const buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    auto* const metas = static_cast<Metas*>(data);
    metas->spoken += !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
    GstCaps* const caps = gst_caps_new_empty_simple("timestamp/x-indextts2-text");
    const auto* const meta = gst_buffer_get_reference_timestamp_meta(buffer, caps);
    gst_caps_unref(caps);
    if (meta) metas->all.push_back({GST_BUFFER_PTS(buffer), meta->timestamp, meta->duration});
    return GST_PAD_PROBE_OK;
  }
  static GstPadProbeReturn see_targets(GstPad*, GstPadProbeInfo* info, gpointer data) {
    GstBuffer* const buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    GstCustomMeta* const meta =
        gst_buffer_get_custom_meta(buffer, "GstScaletempoTargetDurationMeta");
    if (!meta) return GST_PAD_PROBE_OK;
    GstClockTime duration = 0;
    fail_unless(
        gst_structure_get_clock_time(gst_custom_meta_get_structure(meta), "duration", &duration));
    static_cast<Metas*>(data)->all.push_back(
        {GST_BUFFER_PTS(buffer), duration, GST_BUFFER_DURATION(buffer)});
    return GST_PAD_PROBE_OK;
  }
  void watch(Player& p, GstPadProbeCallback see) {
    GstPad* const pad = gst_element_get_static_pad(p.element(), "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, see, this, nullptr);
    gst_object_unref(pad);
  }
};

}  // namespace

// The counters for who has only the pipeline.
CASE(stats_by_query) {
  Player p(kBook);
  fail_unless(p.play());
  GstQuery* query =
      gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty("indextts2/stats"));
  fail_unless(gst_element_query(p.pipeline(), query));
  const GstStructure* const stats = gst_query_get_structure(query);
  fail_unless_equals_uint64(number(stats, "texts-spoken"), 1);
  fail_unless_equals_uint64(number(stats, "segments"), 3);
  fail_unless(gst_structure_has_field(stats, "devices"));
  gst_query_unref(query);
  query = gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty("somebody/else"));
  fail_if(gst_element_query(p.element(), query));
  gst_query_unref(query);
}

CASE(scheduling_is_push_in_sequence) {
  Player p(kBook);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  GstPad* const pad = gst_element_get_static_pad(p.element(), "src");
  GstQuery* const query = gst_query_new_scheduling();
  fail_unless(gst_pad_query(pad, query));
  GstSchedulingFlags flags;
  gst_query_parse_scheduling(query, &flags, nullptr, nullptr, nullptr);
  fail_unless(flags & GST_SCHEDULING_FLAG_SEQUENTIAL);
  fail_unless(gst_query_has_scheduling_mode(query, GST_PAD_MODE_PUSH));
  fail_if(gst_query_has_scheduling_mode(query, GST_PAD_MODE_PULL));
  gst_query_unref(query);
  gst_object_unref(pad);
}

// Sinks tell what came too late; it is counted.
CASE(late_buffers_are_counted) {
  Player p(kBook);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  GstPad* const pad = gst_element_get_static_pad(p.element(), "src");
  for (const GstClockTimeDiff late :
       {GstClockTimeDiff{50}, GstClockTimeDiff{-50}, GstClockTimeDiff{7}}) {
    gst_pad_send_event(pad, qos(late * GST_MSECOND));
  }
  gst_object_unref(pad);
  fail_unless_equals_uint64(stat(p.element(), "late-buffers"), 2);
  p.go_to(GST_STATE_READY);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_unless_equals_uint64(stat(p.element(), "late-buffers"), 0);
}

// Held up for half a second, the element says so, and goes on at the clock.
CASE(a_late_live_thread_says_so) {
  LiveRig rig;
  rig.step(10);
  fail_unless_equals_uint64(stat(rig.element(), "late-jumps"), 0);
  GstTestClock* const clock = gst_harness_get_testclock(rig.harness());
  const GstClockTime wanted = rig.buffers.back().pts + rig.buffers.back().duration;
  gst_test_clock_advance_time(clock, 500 * GST_MSECOND);
  gst_object_unref(clock);
  rig.step(3);
  fail_unless_equals_uint64(stat(rig.element(), "late-jumps"), 1);
  bool discont = false;
  for (size_t i = 10; i < rig.buffers.size(); ++i) discont = discont || rig.buffers[i].discont;
  fail_unless(discont);
  fail_unless(rig.buffers.back().pts >= wanted + 400 * GST_MSECOND);
  fail_unless_equals_int(static_cast<int>(rig.late().size()), 1);
  fail_unless(rig.late()[0] >= GstClockTimeDiff{300 * GST_MSECOND});
}

// An entry of the table of contents can be chosen.
CASE(a_chapter_is_sought_by_its_entry) {
  Player whole(kBook);
  fail_unless(whole.play());
  const std::vector<float> all = whole.floats();
  for (const bool by_pad : {false, true}) {
    Player p(kBook);
    fail_unless(p.play());
    p.go_to(GST_STATE_PAUSED);
    GstEvent* const select = gst_event_new_toc_select("segment-2");
    GstPad* const pad = gst_element_get_static_pad(p.element(), "src");
    fail_unless(by_pad ? gst_pad_send_event(pad, select)
                       : gst_element_send_event(p.element(), select));
    gst_object_unref(pad);
    fail_if(gst_element_send_event(p.element(), gst_event_new_toc_select("segment-9")));
    fail_unless(p.play());
    fail_unless_equals_uint64(p.pieces().front().offset, kSecond);
    fail_unless(p.floats() == std::vector<float>(all.begin() + kSecond, all.end()));
  }
}

// Each buffer of a text tells the timestamp that upstream gave it, whatever became of the time.
CASE(buffers_carry_the_time_of_their_text) {
  for (const char* timing : {"auto", "asap"}) {
    Player p({{"model-path", "tone:"}, {"timing", timing}, {"seed", "1"}});
    Metas metas;
    metas.watch(p, Metas::see_times);
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    feeder.push("One here.", GST_SECOND, 500 * GST_MSECOND);
    feeder.push("Two here.", 2 * GST_SECOND);
    feeder.end();
    fail_unless(p.wait_end());
    fail_unless_equals_uint64(metas.all.size(), metas.spoken);
    fail_unless_equals_uint64(metas.all.front().time, GST_SECOND);
    fail_unless_equals_uint64(metas.all.front().duration, 500 * GST_MSECOND);
    fail_unless_equals_uint64(metas.all.back().time, 2 * GST_SECOND);
    fail_unless_equals_uint64(metas.all.back().duration, GST_CLOCK_TIME_NONE);
  }
  Player p({{"model-path", "tone:"}, {"text", "One here."}});
  Metas metas;
  metas.watch(p, Metas::see_times);
  fail_unless(p.play());
  fail_unless(metas.spoken > 0 && metas.all.empty());
}

// What scaletempo mode=fit-down (GStreamer 1.26) wants to know: how long a segment may be.
CASE(cues_tell_scaletempo_their_time) {
  auto speak = [](const char* buffer_duration) {
    Player p({{"model-path", "tone:"}, {"buffer-duration", buffer_duration}, {"seed", "1"}});
    Metas metas;
    metas.watch(p, Metas::see_targets);
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    feeder.push("One here, which is long. Two.", GST_SECOND, 300 * GST_MSECOND);
    feeder.push("No end.", 3 * GST_SECOND);
    feeder.end();
    fail_unless(p.wait_end());
    return metas.all;
  };
  fail_unless(speak("0").empty());  // a GStreamer that does not know it
  static const gchar* no_tags[] = {nullptr};
  gst_meta_register_custom("GstScaletempoTargetDurationMeta", no_tags, nullptr, nullptr, nullptr);
  const auto told = speak("0");
  fail_unless_equals_int(static_cast<int>(told.size()), 2);
  const guint64 free_time = 22050 * 3 / 10 - 4410, spoken = 220 * (24 + 4);
  fail_unless_equals_uint64(told[0].pts, GST_SECOND);
  fail_unless_equals_uint64(told[0].time, time_of(free_time * 220 * 24 / spoken));
  fail_unless_equals_uint64(told[1].time, time_of(free_time * 220 * 4 / spoken));
  fail_unless(speak("20000000").empty());
}

RUN_CASES("queries")
