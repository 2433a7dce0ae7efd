// GstLeaksTracer over runs of the real engine: playing, a flushing seek, stopping in the middle;
// cues and captions, too.
#include <string>

#include "alive.h"
#include "case.h"
#include "player.h"
#include "tiny_model.h"

using namespace player;

namespace {

constexpr char kText[] = "One sentence. Two sentences. Three of them. Four, no less. And five.";

void play_seek_and_stop() {
  Player p(tiny_model({{"text", kText}, {"max-segment-tokens", "20"}, {"devices", "cpu:2"}}));
  fail_unless(p.go_to(GST_STATE_PLAYING));
  fail_unless(p.wait_end());
  const GstClockTime end = p.pieces().back().pts;
  fail_unless(p.seek(end / 2));
  fail_unless(p.wait_samples(441));
  fail_unless(p.seek(0));
  fail_unless(p.wait_samples(441));
}

// A pad, a flush of it, and the stop while texts wait.
void feed_flush_and_stop() {
  Player p(tiny_model({{"devices", "cpu"}}));
  Feeder feeder(p, "pango-markup");
  p.go_to(GST_STATE_PLAYING, 0);
  for (int i = 0; i < 5; ++i) feeder.push("A <b>line</b> of text.", i * GST_SECOND);
  fail_unless(p.wait_samples(441));
  p.settle();
  feeder.event(gst_event_new_flush_start());
  feeder.event(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  feeder.event(gst_event_new_segment(&segment));
  for (int i = 0; i < 3; ++i) feeder.push("Another one.", i * GST_SECOND);
  fail_unless(p.wait_samples(441));
}

constexpr char kCues[] =
    "1\n00:00:00,100 --> 00:00:00,300\nOne <i>cue</i>.\n\n"
    "2\n00:00:00,400 --> 00:00:00,500\nTwo here.\n\n"
    "3\n00:00:02,000 --> 00:00:09,000\nThe third.\n\n";

// The sound is longer than most cues, so that each way of `overflow` has its work.
GstElement* subtitles_with_captions(const std::string& overflow) {
  std::string line = "filesrc location=" + write_file("leaks.srt", kCues) +
                     " ! subparse ! indextts2src overflow=" + overflow;
  for (const auto& [name, value] : tiny_model({{"devices", "cpu"}}).all) {
    line += " " + name + "=\"" + value + "\"";
  }
  line +=
      " ! indextts2caption name=c width=8 c.src ! queue ! fakesink sync=false"
      " c.text ! queue ! fakesink sync=false";
  GstElement* const pipeline = gst_parse_launch(line.c_str(), nullptr);
  fail_unless(pipeline != nullptr, "%s", line.c_str());
  return pipeline;
}

void stop(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

void caption_to_the_end(const std::string& overflow) {
  GstElement* const pipeline = subtitles_with_captions(overflow);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* const bus = gst_element_get_bus(pipeline);
  GstMessage* const message =
      gst_bus_timed_pop_filtered(bus, kPatienceSeconds * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS, "no EOS");
  gst_message_unref(message);
  gst_object_unref(bus);
  stop(pipeline);
}

// In the middle of a cue, before and after a flush from upstream.
void caption_seek_and_stop(const std::string& overflow) {
  GstElement* const pipeline = subtitles_with_captions(overflow);
  for (const bool seek : {false, true}) {
    if (seek) {
      fail_unless(gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
    } else {
      gst_element_set_state(pipeline, GST_STATE_PAUSED);
    }
    fail_unless_equals_int(
        gst_element_get_state(pipeline, nullptr, nullptr, kPatienceSeconds * GST_SECOND),
        GST_STATE_CHANGE_SUCCESS);
  }
  stop(pipeline);
}

}  // namespace

CASE(nothing_is_leaked) {
  Alive alive;
  play_seek_and_stop();  // what GStreamer keeps for the process is made here
  g_usleep(G_USEC_PER_SEC / 2);
  alive.keep();
  play_seek_and_stop();
  feed_flush_and_stop();
  check_text(alive.left(), "");
}

CASE(cues_and_captions_are_not_leaked) {
  Alive alive;
  caption_to_the_end("shift");  // what GStreamer keeps for the process is made here
  g_usleep(G_USEC_PER_SEC / 2);
  alive.keep();
  for (const char* overflow : {"clip", "overlap", "shift", "compress"}) {
    caption_to_the_end(overflow);
  }
  for (const char* overflow : {"overlap", "compress"}) caption_seek_and_stop(overflow);
  check_text(alive.left(), "");
}

// The check sees what is kept.
CASE(a_kept_buffer_is_seen) {
  Alive alive;
  GstBuffer* kept = gst_buffer_new();
  fail_unless_equals_int(alive.by_type()["GstBuffer"], 1);
  gst_buffer_unref(kept);
  fail_unless_equals_int(alive.by_type()["GstBuffer"], 0);
}

RUN_CASES("leaks")
