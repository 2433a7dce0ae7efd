// State changes, pads that come and go, flushes and seeks at any moment: nothing hangs, nothing is
// left.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "case.h"
#include "player.h"

using namespace player;

CASE(null_to_playing_again_and_again) {
  Player p({{"model-path", "tone:"}, {"text", "One here. Two here."}, {"seed", "3"}});
  std::vector<char> first;
  for (int i = 0; i < 20; ++i) {
    fail_unless(p.play());
    if (first.empty()) first = p.bytes();
    fail_unless(p.bytes() == first);
    fail_unless_equals_uint64(p.pieces().front().pts, 0);
    p.go_to(GST_STATE_NULL);
    p.forget();
  }
  fail_unless_equals_int(p.count(GST_MESSAGE_ERROR) + p.count(GST_MESSAGE_WARNING), 0);
  fail_unless(tone_all_gone());
}

// TOC and tags wait for the second buffer, which does not come here; the next stream has its own.
CASE(events_of_a_stopped_stream_are_dropped) {
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  p.go_to(GST_STATE_READY);
  p.forget();
  fail_unless(p.play());
  const std::vector<GstEventType> events = p.events();
  for (const GstEventType type : {GST_EVENT_TOC, GST_EVENT_TAG}) {
    fail_unless_equals_int(static_cast<int>(std::count(events.begin(), events.end(), type)), 1);
  }
}

CASE(ready_to_playing_with_a_pad) {
  Player p({{"model-path", "tone:"}, {"seed", "3"}});
  for (int i = 0; i < 20; ++i) {
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    feeder.push("Line " + std::to_string(i) + ".\n");
    feeder.end();
    fail_unless(p.wait_end());
    check_near(frequencies(p.floats()), {frequency_of("Line " + std::to_string(i) + ".")});
    p.go_to(i % 2 ? GST_STATE_READY : GST_STATE_NULL);
    p.forget();
  }
  fail_unless_equals_int(p.count(GST_MESSAGE_ERROR) + p.count(GST_MESSAGE_WARNING), 0);
}

CASE(pause_and_play) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Piece " + std::to_string(i) + ". ";
  Player p({{"model-path", "tone:segment_ms=2"}, {"text", text}, {"seed", "3"}});
  for (int i = 0; i < 100; ++i) {
    p.go_to(GST_STATE_PLAYING, 0);
    p.go_to(GST_STATE_PAUSED, 0);
  }
  fail_unless(p.play());
  fail_unless_equals_uint64(p.floats().size(), p.pieces().back().offset_end);
}

CASE(one_sink_pad_only) {
  Player p({{"model-path", "tone:"}});
  GstPad* first = gst_element_request_pad_simple(p.element(), "sink");
  fail_unless(first != nullptr);
  GstPadTemplate* pads = gst_element_get_pad_template(p.element(), "sink");
  fail_unless(gst_element_request_pad(p.element(), pads, nullptr, nullptr) == nullptr);
  gst_element_release_request_pad(p.element(), first);
  gst_object_unref(first);
  first = gst_element_request_pad_simple(p.element(), "sink");
  fail_unless(first != nullptr);
  gst_element_release_request_pad(p.element(), first);
  gst_object_unref(first);
}

// A pad that comes in PLAYING is spoken from; when it goes, what it brought is still spoken.
CASE(pad_comes_and_goes_in_playing) {
  std::string programme;
  for (int i = 0; i < 20; ++i) programme += "Part " + std::to_string(i) + ". ";
  Player p({{"model-path", "tone:segment_ms=20"}, {"text", programme}});
  p.go_to(GST_STATE_PLAYING, 0);
  for (int i = 0; i < 5; ++i) {
    Feeder feeder(p);
    fail_unless_equals_int(feeder.push("Guest " + std::to_string(i) + ".\n"), GST_FLOW_OK);
  }
  fail_unless(p.wait_end());
  std::string record = tone_record();
  for (int i = 0; i < 5; ++i) {
    fail_unless(record.find("Guest " + std::to_string(i) + ".") != std::string::npos);
  }
}

// A linked pad keeps the stream open until it ends or goes.
CASE(linked_pad_keeps_the_stream_open) {
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  {
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    fail_unless(p.wait_samples(220 * 4));
    g_usleep(100000);
    fail_unless_equals_int(p.count(GST_MESSAGE_EOS), 0);
    feeder.push("Two.\n");
    fail_unless(p.wait_samples(2 * 220 * 4));
    fail_unless_equals_int(p.count(GST_MESSAGE_EOS), 0);
  }
  fail_unless(p.wait_end());
}

// Also in the middle of a load, which has news every three seconds.
CASE(nothing_to_say_ends_at_once) {
  for (const int wait_ms : {0, 200}) {
    Player p({{"model-path", "tone:load_ms=30000"}});
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    g_usleep(static_cast<gulong>(wait_ms) * 1000);
    const double start = seconds_now();
    feeder.end();
    fail_unless(p.wait_end());
    fail_unless(in_time(start, 1.0));
  }
}

CASE(no_more_texts_ends_at_once) {
  Player p({{"model-path", "tone:load_ms=30000"}, {"keep-alive", "true"}});
  p.go_to(GST_STATE_PLAYING, 0);
  g_usleep(200000);
  const double start = seconds_now();
  GstFlowReturn flow = GST_FLOW_ERROR;
  g_signal_emit_by_name(p.element(), "end-of-stream", &flow);
  fail_unless_equals_int(flow, GST_FLOW_OK);
  fail_unless(p.wait_end());
  fail_unless(in_time(start, 1.0));
}

// Without a bin, which flushes confuse. Downstream is a pad of the test's, active all the time.
class Alone {
 public:
  Alone()
      : element_(gst_parse_launch("indextts2src model-path=tone: text=One.", nullptr)),
        harness_(gst_harness_new_with_element(element_, nullptr, "src")) {
    gst_harness_set_drop_buffers(harness_, TRUE);
  }
  ~Alone() {
    go_to(GST_STATE_NULL);  // the harness frees first what its pad answers
    gst_harness_teardown(harness_);
    gst_object_unref(element_);
  }
  Alone(const Alone&) = delete;
  GstElement* element() const { return element_; }
  void go_to(GstState state) { gst_element_set_state(element_, state); }
  // From READY: all the sound and its EOS reach downstream.
  void check_speaks() {
    while (GstEvent* event = gst_harness_try_pull_event(harness_)) gst_event_unref(event);
    const guint before = gst_harness_buffers_received(harness_);
    go_to(GST_STATE_PLAYING);
    for (bool ended = false; !ended;) {
      GstEvent* const event = gst_harness_pull_event(harness_);  // waits for a minute
      fail_unless(event != nullptr, "no EOS");
      ended = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
      gst_event_unref(event);
    }
    // 4 letters, 220 samples each, in buffers of 441.
    fail_unless_equals_int(static_cast<int>(gst_harness_buffers_received(harness_) - before), 2);
    go_to(GST_STATE_READY);
  }

 private:
  GstElement* const element_;
  GstHarness* const harness_;
};

// GStreamer loses the FLUSH_STOP of a pad that is not active: downstream must not stay flushing.
CASE(down_in_a_flush_and_up_again) {
  Alone alone;
  for (int i = 0; i < 3; ++i) {
    alone.check_speaks();
    alone.go_to(GST_STATE_PLAYING);
    gst_element_send_event(alone.element(), gst_event_new_flush_start());
    alone.go_to(GST_STATE_READY);
    if (i == 1) gst_element_send_event(alone.element(), gst_event_new_flush_stop(TRUE));
  }
  alone.check_speaks();
}

// A seek from downstream, past the state lock, at the moment when the pad is (de)activated: the
// base class must not set a stream going that has not begun (warnings of GStreamer are fatal), nor
// leave one behind that cannot begin again.
CASE(seeks_while_the_pad_comes_and_goes) {
  Alone alone;
  GstPad* pad = gst_element_get_static_pad(alone.element(), "src");
  for (int round = 0; round < 6; ++round) {
    std::atomic<bool> over{false};
    std::thread seeks([&] {
      while (!over) {
        gst_pad_send_event(pad, gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                                   GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1));
      }
    });
    for (int i = 0; i < 50; ++i) {
      alone.go_to(GST_STATE_PLAYING);
      g_usleep(static_cast<gulong>(i % 5) * 100);
      alone.go_to(GST_STATE_READY);
    }
    over = true;
    seeks.join();
    alone.check_speaks();
  }
  gst_object_unref(pad);
}

// Everything at once for a while. Seeks and flushes share a thread: the base class wants them one
// after another.
CASE(storm) {
  Player p({{"model-path", "tone:segment_ms=1"},
            {"devices", "cpu:2"},
            {"text", "Start."},
            {"max-text-bytes", "300"}});
  std::atomic<bool> stop{false};
  auto repeat = [&](auto action) {
    return std::thread([&stop, action] {
      for (int i = 0; !stop; ++i) {
        action(i);
        g_usleep(1000);
      }
    });
  };
  std::thread texts = repeat([&](int i) { p.set("text", "Text " + std::to_string(i) + "."); });
  std::thread seeks = repeat([&](int i) {
    p.seek(static_cast<GstClockTime>(i % 10) * 100 * GST_MSECOND);
    gst_element_send_event(p.element(), gst_event_new_flush_start());
    gst_element_send_event(p.element(), gst_event_new_flush_stop(i % 2));
  });
  std::thread pads = repeat([&](int i) {
    Feeder feeder(p);
    if (i % 3) feeder.push("Guest.\n");
    if (i % 5 == 0) {
      feeder.event(gst_event_new_flush_start());
      feeder.event(gst_event_new_flush_stop(TRUE));
    }
  });
  for (int i = 0; i < 40; ++i) {
    const GstState states[] = {GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_PAUSED,
                               GST_STATE_NULL};
    gst_element_set_state(p.pipeline(), states[(i * 7) % 4]);
    g_usleep(30000);
  }
  const double start = seconds_now();
  p.go_to(GST_STATE_NULL);
  fail_unless(in_time(start, 1.0));
  stop = true;
  for (std::thread* thread : {&texts, &seeks, &pads}) thread->join();
  p.go_to(GST_STATE_NULL);
  fail_unless(tone_all_gone());
}

// Launch line 6: nothing hangs and nothing is left, however often it goes up and down.
CASE(line_6_a_hundred_times_up_and_down) {
  for (const char* live : {"false", "true"}) {
    Player p({{"model-path", "tone:"},
              {"is-live", live},
              {"keep-alive", "true"},
              {"text", "One here, and more of it."}});
    for (int i = 0; i < 100; ++i) {
      const double start = seconds_now();
      for (const GstState state :
           {GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_READY}) {
        fail_unless(gst_element_set_state(p.pipeline(), state) != GST_STATE_CHANGE_FAILURE);
        if (i % 4 == 0) g_usleep(2000);
      }
      fail_unless(in_time(start, 2.0), "round %d", i);
    }
    fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
  }
  fail_unless(tone_all_gone());
}

// Line 6 by GStreamer's own harness: states, pads and upstream events of several threads at once.
CASE(line_6_harness_stress) {
  GstElement* const element = gst_element_factory_make("indextts2src", nullptr);
  g_object_set(element, "model-path", "tone:", "text", "Start.", "keep-alive", TRUE, nullptr);
  GstHarness* const h = gst_harness_new_with_element(element, nullptr, "src");
  gst_harness_set_drop_buffers(h, TRUE);
  gst_harness_play(h);
  GstPadTemplate* const pad =
      gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(element), "sink");
  GValue text = G_VALUE_INIT;
  g_value_init(&text, G_TYPE_STRING);
  g_value_set_string(&text, "Stress.");
  GstEvent* const wish = gst_event_new_custom(
      GST_EVENT_CUSTOM_UPSTREAM,
      gst_structure_from_string("indextts2/cancel, include-current=true", nullptr));
  GstHarnessThread* const threads[] = {
      gst_harness_stress_requestpad_start_full(h, pad, "sink", nullptr, /*release=*/TRUE, 500),
      gst_harness_stress_property_start_full(h, "text", &text, 500),
      gst_harness_stress_push_upstream_event_start_full(h, wish, 500)};
  g_usleep(500000);
  for (GstHarnessThread* thread : threads) {
    fail_unless(gst_harness_stress_thread_stop(thread) > 0);
  }
  GstHarnessThread* const states = gst_harness_stress_statechange_start_full(h, 500);
  g_usleep(500000);
  fail_unless(gst_harness_stress_thread_stop(states) > 0);
  g_value_unset(&text);
  gst_event_unref(wish);
  gst_element_set_state(h->element, GST_STATE_NULL);
  gst_harness_teardown(h);
  gst_object_unref(element);
  fail_unless(tone_all_gone());
}

RUN_CASES("states")
