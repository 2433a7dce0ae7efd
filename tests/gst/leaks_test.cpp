// GstLeaksTracer over a run of the real engine: playing, a flushing seek, stopping in the middle.
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
  Alive alive;
  play_seek_and_stop();  // what GStreamer keeps for the process is made here
  g_usleep(G_USEC_PER_SEC / 2);
  alive.keep();
  play_seek_and_stop();
  feed_flush_and_stop();
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
