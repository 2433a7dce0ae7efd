// Traps 2, 3 and 4: the events of the text pad, its back-pressure, and EOS from the application.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <future>
#include <thread>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

int count(const std::vector<GstEventType>& events, GstEventType type) {
  return static_cast<int>(std::count(events.begin(), events.end(), type));
}

std::string cue(int i) { return "This is cue number " + std::to_string(i) + "."; }

// Until a thread waits in chain() for space.
void await_blocked(Player& p) {
  for (int i = 0; i < 2000; ++i) {
    if (p.stats().find("blocked=(int)1") != std::string::npos) return;
    g_usleep(5000);
  }
  fail("nobody waits for space");
}

}  // namespace

// Upstream's STREAM_START, SEGMENT, TAG, GAP and EOS end at the pad; ours come once, EOS after the
// last sample.
CASE(trap_02_text_pad_events) {
  Player p({{"model-path", "tone:"}, {"seed", "1"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  for (int i = 0; i < 3; ++i) {
    fail_unless_equals_int(feeder.push(cue(i), i * 7 * GST_SECOND), GST_FLOW_OK);
    fail_unless(feeder.event(gst_event_new_gap(i * GST_SECOND, GST_SECOND)));
    fail_unless(feeder.event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "t", nullptr))));
  }
  GstSegment later;
  gst_segment_init(&later, GST_FORMAT_TIME);
  later.start = 5 * GST_SECOND;
  fail_unless(feeder.event(gst_event_new_segment(&later)));
  fail_unless(feeder.end());
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()),
             {frequency_of(cue(0)), frequency_of(cue(1)), frequency_of(cue(2))});
  auto events = p.events();
  fail_unless_equals_int(count(events, GST_EVENT_STREAM_START), 1);
  fail_unless_equals_int(count(events, GST_EVENT_SEGMENT), 1);
  fail_unless_equals_int(count(events, GST_EVENT_EOS), 1);
  fail_unless_equals_int(count(events, GST_EVENT_TAG), 3);  // a title for each, none of upstream
  fail_unless_equals_int(count(events, GST_EVENT_GAP), 0);
  fail_unless_equals_int(events.back(), GST_EVENT_EOS);
  fail_unless_equals_uint64(p.segments()[0].start, 0);
  fail_unless_equals_uint64(p.pieces()[0].pts, 0);
}

// Queries and unknown serialized events do not cross either; out-of-band ones do.
CASE(trap_02_text_pad_queries) {
  Player p({{"model-path", "tone:"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("One.");
  gint64 value = 0;
  fail_if(gst_pad_query_position(feeder.peer(), GST_FORMAT_TIME, &value));
  fail_if(gst_pad_query_duration(feeder.peer(), GST_FORMAT_TIME, &value));
  GstQuery* allocation = gst_query_new_allocation(nullptr, FALSE);
  fail_if(gst_pad_query(feeder.peer(), allocation));
  gst_query_unref(allocation);
  GstCaps* caps = gst_pad_query_caps(feeder.peer(), nullptr);
  GstCaps* text = gst_caps_from_string("text/x-raw, format=utf8");
  fail_unless(gst_caps_can_intersect(caps, text));
  gst_caps_unref(caps);
  gst_caps_unref(text);
  auto custom = [](GstEventType type) {
    return gst_event_new_custom(type, gst_structure_new_empty("application/x-test"));
  };
  feeder.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM));
  feeder.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB));
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless_equals_int(count(p.events(), GST_EVENT_CUSTOM_DOWNSTREAM), 0);
  fail_unless_equals_int(count(p.events(), GST_EVENT_CUSTOM_DOWNSTREAM_OOB), 1);
}

// A flush of the source side neither flushes the pad nor loses the texts that wait.
CASE(trap_03_flush_keeps_texts) {
  Player p({{"model-path", "tone:segment_ms=5"}, {"max-text-bytes", "100"}, {"seed", "1"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  std::atomic<int> pushed{0};
  std::thread upstream([&] {
    for (int i = 0; i < 40; ++i) {
      if (feeder.push(cue(i) + "\n") == GST_FLOW_OK) ++pushed;
    }
    feeder.end();
  });
  fail_unless(p.wait_samples(3 * 22050 / 10));
  for (int i = 0; i < 5; ++i) {
    p.settle();
    gst_element_send_event(p.element(), gst_event_new_flush_start());
    gst_element_send_event(p.element(), gst_event_new_flush_stop(TRUE));
  }
  upstream.join();
  fail_unless(p.wait_end());
  fail_unless_equals_int(pushed, 40);
  std::string record = tone_record();
  for (int i = 0; i < 40; ++i) {
    fail_unless(record.find(cue(i)) != std::string::npos, "cue %d was not spoken", i);
  }
}

// After a flush that resets the running time, the stream goes on at running time 0.
CASE(trap_03_flush_restarts_running_time) {
  Player p(
      {{"model-path", "tone:"}, {"text", std::string(300, 'a') + "."}, {"num-buffers", "100"}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  gst_element_send_event(p.element(), gst_event_new_flush_start());
  p.forget();
  gst_element_send_event(p.element(), gst_event_new_flush_stop(TRUE));
  fail_unless(p.go_to(GST_STATE_PLAYING));
  fail_unless(p.wait_end());
  GstSegment segment = p.segments().front();
  const Piece piece = p.pieces().front();
  fail_unless(piece.pts > 0);
  fail_unless_equals_uint64(gst_segment_to_running_time(&segment, GST_FORMAT_TIME, piece.pts), 0);
  fail_unless_equals_uint64(gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, piece.pts),
                            piece.pts);
}

// A chain() that waits for space lets go at once when the element stops; upstream sees FLUSHING.
CASE(trap_03_stop_while_waiting_for_space) {
  Player p({{"model-path", "tone:segment_ms=60000"}, {"max-text-bytes", "30"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless_equals_int(feeder.push(cue(0) + "\n"), GST_FLOW_OK);
  auto blocked = std::async(std::launch::async, [&] { return feeder.push(cue(1) + "\n"); });
  await_blocked(p);
  double start = seconds_now();
  p.go_to(GST_STATE_READY);
  fail_unless(in_time(start, 0.2), "PAUSED to READY took %f s", seconds_now() - start);
  fail_unless_equals_int(blocked.get(), GST_FLOW_FLUSHING);
}

// Upstream's own flush drops what waits, and text after it is spoken.
CASE(trap_03_upstream_flush) {
  Player p({{"model-path", "tone:segment_ms=300"}, {"max-text-bytes", "30"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless_equals_int(feeder.push(cue(0) + "\n"), GST_FLOW_OK);
  auto blocked = std::async(std::launch::async, [&] { return feeder.push(cue(1) + "\n"); });
  await_blocked(p);
  fail_unless(feeder.event(gst_event_new_flush_start()));
  fail_unless_equals_int(blocked.get(), GST_FLOW_FLUSHING);
  fail_unless(feeder.event(gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  feeder.event(gst_event_new_segment(&segment));
  fail_unless_equals_int(feeder.push(cue(2) + "\n"), GST_FLOW_OK);
  feeder.end();
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()), {frequency_of(cue(2))});
}

// EOS from the application speaks what was accepted, refuses the rest, and ends.
CASE(trap_04_eos_drains) {
  Player p({{"model-path", "tone:segment_ms=50"}, {"max-text-bytes", "60"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  std::atomic<int> accepted{0};
  std::atomic<int> last{GST_FLOW_OK};
  std::thread upstream([&] {
    for (int i = 0; i < 1000; ++i) {
      last = feeder.push(cue(i) + "\n");
      if (last != GST_FLOW_OK) break;
      ++accepted;
    }
  });
  fail_unless(p.wait_samples(1000));
  fail_unless(gst_element_send_event(p.pipeline(), gst_event_new_eos()));
  fail_unless(p.wait_end());
  upstream.join();
  fail_unless_equals_int(last, GST_FLOW_EOS);
  fail_unless_equals_int(static_cast<int>(frequencies(p.floats()).size()), accepted);
}

// The same with a source upstream that takes its stream lock in send_event, as all of them do.
CASE(trap_04_eos_with_file_source) {
  std::string subtitles;
  for (int i = 0; i < 200; ++i) {
    subtitles += std::to_string(i + 1) + "\n00:00:01,000 --> 00:00:02,000\n" + cue(i) + "\n\n";
  }
  std::string path = write_file("trap_04.srt", subtitles);
  std::string line = "filesrc location=" + path +
                     " ! subparse ! indextts2src name=tts model-path=tone:segment_ms=30 "
                     "max-text-bytes=60 ! fakesink sync=false";
  for (int round = 0; round < 5; ++round) {
    GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
    fail_unless(pipeline != nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    gst_element_get_state(pipeline, nullptr, nullptr, 5 * GST_SECOND);
    g_usleep(100000);
    auto sent = std::async(std::launch::async,
                           [&] { gst_element_send_event(pipeline, gst_event_new_eos()); });
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 5 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS, "no EOS within 5 s");
    gst_message_unref(message);
    sent.get();
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}

// Also when the element has ended by itself before: a full pad must not hold upstream for ever.
CASE(trap_04_end_frees_the_pad) {
  Player p({{"model-path", "tone:"}, {"max-text-bytes", "30"}, {"num-buffers", "2"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  GstFlowReturn last = GST_FLOW_OK;
  for (int i = 0; i < 100 && last == GST_FLOW_OK; ++i) last = feeder.push(cue(i) + "\n");
  fail_unless_equals_int(last, GST_FLOW_EOS);
  fail_unless(p.wait_end());
}

RUN_CASES("traps_text_pad")
