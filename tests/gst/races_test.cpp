// Seeks, flushes, queries, texts and state changes at the same moment from many threads: every call
// comes back, and afterwards the element speaks as if nothing had happened.
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "case.h"
#include "player.h"
#include "watchdog.h"

using namespace player;

namespace {

constexpr int kStormSeconds = 2;

// Repeats actions on a pipeline, each on a thread of its own, until stop().
class Storm {
 public:
  explicit Storm(GstElement* pipeline) : pipeline_(pipeline) {}
  ~Storm() { stop(); }
  void add(std::function<void(int)> action, int pause_us = 500) {
    threads_.emplace_back([this, action = std::move(action), pause_us] {
      for (int i = 0; !over_; ++i) {
        action(i);
        g_usleep(static_cast<gulong>(pause_us));
      }
    });
  }
  void stop() {
    over_ = true;
    std::atomic<bool> calm{false};
    std::thread player([&] {
      do {
        play_again();
      } while (!calm);
      play_again();
    });
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    calm = true;
    player.join();
  }

 private:
  // A sink that a flush reaches while GstBin takes it to PLAYING falls back to PAUSED, and the bin
  // does not see it ("state change busy"); a seek without flush or a full text pad would wait for
  // ever. What hangs inside the element is not freed by this: it flushes nothing.
  void play_again() {
    gst_element_set_state(pipeline_, GST_STATE_PAUSED);
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
    g_usleep(20000);
  }

  GstElement* const pipeline_;
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

void flush_pair(GstElement* element, bool reset_time) {
  gst_element_send_event(element, gst_event_new_flush_start());
  gst_element_send_event(element, gst_event_new_flush_stop(reset_time));
}

GstEvent* seek_to(GstClockTime start, GstSeekFlags flags) {
  return gst_event_new_seek(1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
                            static_cast<gint64>(start), GST_SEEK_TYPE_NONE, -1);
}

// Past gst_element_send_event, which lets one event at a time into an element. A flushing pad
// refuses it.
bool seek_at_pad(GstElement* element, GstClockTime start, GstSeekFlags flags) {
  GstPad* pad = gst_element_get_static_pad(element, "src");
  const bool done = gst_pad_send_event(pad, seek_to(start, flags));
  gst_object_unref(pad);
  return done;
}

GstClockTime some_time(int i) { return static_cast<GstClockTime>(i % 20) * 10 * GST_MSECOND; }

void ask_everything(GstElement* element, int i) {
  gint64 value = 0;
  gst_element_query_position(element, GST_FORMAT_TIME, &value);
  gst_element_query_duration(element, GST_FORMAT_TIME, &value);
  GstQuery* latency = gst_query_new_latency();
  gst_element_query(element, latency);
  gst_query_unref(latency);
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  gst_structure_free(stats);
  GstPad* pad = gst_element_get_static_pad(element, "src");
  gst_pad_send_event(pad, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.0, i, some_time(i)));
  gst_pad_send_event(pad, gst_event_new_reconfigure());
  gst_object_unref(pad);
}

void play_and_pause(GstElement* pipeline) {
  const double until = seconds_now() + kStormSeconds;
  for (int i = 0; seconds_now() < until; ++i) {
    gst_element_set_state(pipeline, i % 2 ? GST_STATE_PLAYING : GST_STATE_PAUSED);
    g_usleep(static_cast<gulong>(i % 7) * 2000);
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
}

std::string many_sentences() {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "Sentence " + std::to_string(i) + ". ";
  return text;
}

}  // namespace

// Two flushes that overlap, in every order of their four events: whoever unflushes last must not
// wait for a streaming thread that is at work again.
CASE(overlapping_flushes) {
  Watchdog watchdog(kPatienceSeconds);
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  Feeder feeder(p);  // keeps the streaming thread in create(), waiting for text
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(p.wait_samples(220 * 4));
  p.settle();
  for (int i = 0; i < 20; ++i) {
    gst_element_send_event(p.element(), gst_event_new_flush_start());
    gst_element_send_event(p.element(), gst_event_new_flush_start());
    gst_element_send_event(p.element(), gst_event_new_flush_stop(TRUE));
    g_usleep(2000);  // time for the streaming thread to go on
    gst_element_send_event(p.element(), gst_event_new_flush_stop(TRUE));
  }
  fail_unless_equals_int(feeder.push("Two.\n"), GST_FLOW_OK);
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
}

// A flushing seek inside the flush of somebody else.
CASE(seek_inside_a_flush) {
  Watchdog watchdog(kPatienceSeconds);
  Player p({{"model-path", "tone:segment_ms=20"}, {"text", many_sentences()}});
  p.go_to(GST_STATE_PLAYING);
  for (int i = 0; i < 20; ++i) {
    gst_element_send_event(p.element(), gst_event_new_flush_start());
    fail_unless(gst_element_send_event(p.element(), seek_to(some_time(i), GST_SEEK_FLAG_FLUSH)));
    g_usleep(2000);
    gst_element_send_event(p.element(), gst_event_new_flush_stop(TRUE));
  }
  fail_unless(p.seek(0));
  fail_unless(p.wait_end());
}

// A text that waits for space is told as too long when the limit falls below it: no space would
// ever do.
CASE(limit_lowered_while_a_text_waits) {
  Watchdog watchdog(kPatienceSeconds);
  Player p({{"model-path", "tone:segment_ms=200"}, {"max-text-bytes", "30"}, {"on-error", "skip"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless_equals_int(feeder.push("This is the first of two.\n"), GST_FLOW_OK);
  std::atomic<bool> waits{true};
  std::thread upstream([&] {
    feeder.push("This is the second of two.\n");
    waits = false;
    feeder.end();
  });
  g_usleep(50000);
  fail_unless(waits);
  p.set("max-text-bytes", "10");
  upstream.join();
  fail_unless(p.wait_end());
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), 1);
}

// The sound of a text, or its error, may come before the thread that hands the text over has
// written down that it did.
CASE(sound_before_push_returns) {
  Watchdog watchdog(kPatienceSeconds);
  Player p({{"model-path", "tone:push_ms=50,fail_word=Two"}, {"on-error", "skip"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  for (const char* line : {"One one.\n", "Two two.\n", "Three three.\n"}) {
    fail_unless_equals_int(feeder.push(line), GST_FLOW_OK);
    g_usleep(100000);
  }
  feeder.end();
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()), {frequency_of("One one."), frequency_of("Three three.")});
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), 1);
}

// The same with `queue` behind the element, whose own thread holds the stream lock of the sink.
static void storm_over(const char* tail) {
  const std::string line = std::string(
                               "indextts2src name=tts model-path=tone:segment_ms=1 "
                               "devices=cpu:2 max-text-bytes=2000 ! ") +
                           tail;
  GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
  fail_unless(pipeline != nullptr);
  GstElement* tts = gst_bin_get_by_name(GST_BIN(pipeline), "tts");
  g_object_set(tts, "text", many_sentences().c_str(), nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  {
    Storm storm(pipeline);
    storm.add([&](int i) {
      gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                              static_cast<gint64>(some_time(i)));
    });
    storm.add([&](int i) { seek_at_pad(tts, some_time(i), GST_SEEK_FLAG_FLUSH); });
    storm.add([&](int i) { seek_at_pad(tts, some_time(i), GST_SEEK_FLAG_FLUSH); });
    storm.add([&](int i) { seek_at_pad(tts, some_time(i), GST_SEEK_FLAG_NONE); });
    storm.add([&](int i) { flush_pair(tts, i % 2); });
    storm.add([&](int i) { flush_pair(tts, i % 3); });
    storm.add([&](int i) { ask_everything(tts, i); });
    storm.add([&](int i) {
      const std::string text = "Text " + std::to_string(i) + ".";
      g_object_set(tts, "text", text.c_str(), "seed", static_cast<gint64>(i), nullptr);
    });
    play_and_pause(pipeline);
  }
  GstBus* bus = gst_element_get_bus(pipeline);
  while (GstMessage* old = gst_bus_pop(bus)) {
    fail_if(GST_MESSAGE_TYPE(old) == GST_MESSAGE_ERROR, "an error came of the storm");
    gst_message_unref(old);
  }
  fail_unless(gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
  GstMessage* end =
      gst_bus_timed_pop_filtered(bus, kPatienceSeconds * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(end && GST_MESSAGE_TYPE(end) == GST_MESSAGE_EOS, "no EOS after the storm");
  gst_message_unref(end);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(tts);
  gst_object_unref(pipeline);
  fail_unless(tone_all_gone());
}

CASE(storm_of_seeks_and_flushes) {
  Watchdog watchdog(kPatienceSeconds);
  storm_over("fakesink sync=false");
}

CASE(storm_of_seeks_and_flushes_before_a_queue) {
  Watchdog watchdog(kPatienceSeconds);
  storm_over("queue max-size-buffers=4 ! fakesink sync=false");
}

// With a text pad whose upstream pushes, flushes and is flushed meanwhile.
CASE(storm_with_a_text_pad) {
  Watchdog watchdog(kPatienceSeconds);
  Player p({{"model-path", "tone:segment_ms=1"}, {"devices", "cpu:2"}, {"max-text-bytes", "100"}});
  p.keep_no_bytes();
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  {
    std::mutex serialized;  // buffers and serialized events, as one streaming thread sends them
    Storm storm(p.pipeline());
    storm.add(
        [&](int i) {
          std::lock_guard<std::mutex> lock(serialized);
          feeder.push("Line " + std::to_string(i) + ".\n");
        },
        100);
    storm.add(
        [&](int i) {
          feeder.event(gst_event_new_flush_start());
          std::lock_guard<std::mutex> lock(serialized);
          feeder.event(gst_event_new_flush_stop(i % 2));
          GstSegment segment;
          gst_segment_init(&segment, GST_FORMAT_TIME);
          feeder.event(gst_event_new_segment(&segment));
        },
        3000);
    storm.add([&](int i) { flush_pair(p.element(), i % 2); });
    storm.add([&](int i) { flush_pair(p.element(), i % 3); });
    storm.add([&](int i) { seek_at_pad(p.element(), some_time(i), GST_SEEK_FLAG_FLUSH); });
    storm.add([&](int i) { p.seek(some_time(i)); });
    storm.add([&](int i) { ask_everything(p.element(), i); });
    storm.add([&](int i) { p.set("text", "Text " + std::to_string(i) + "."); });
    play_and_pause(p.pipeline());
  }
  fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
  tone_record();
  fail_unless_equals_int(feeder.push("The very last line.\n"), GST_FLOW_OK);
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless(tone_record().find("The very last line.") != std::string::npos);
}

// What an application may do at any moment, from several threads, while the element goes up and
// down to NULL.
CASE(signals_while_it_comes_and_goes) {
  for (const char* live : {"false", "true"}) {
    Player p({{"model-path", "tone:segment_ms=1"}, {"keep-alive", "true"}, {"is-live", live}});
    GstElement* const element = p.element();
    {
      Storm storm(p.pipeline());
      for (const char* signal : {"load-device", "unload-device"}) {
        storm.add([element, signal](int) {
          gboolean begun = FALSE;
          g_signal_emit_by_name(element, signal, "tone:0", &begun);
        });
      }
      storm.add([element](int i) {
        guint64 id = 0;
        g_signal_emit_by_name(element, "speak", "A text.", &id);
        gboolean known = FALSE;
        if (i % 3 == 0) g_signal_emit_by_name(element, "cancel", id, &known);
      });
      storm.add([&p](int) { p.stats(); });
      for (int i = 0; i < 60; ++i) {
        const GstState states[] = {GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING,
                                   GST_STATE_NULL};
        gst_element_set_state(p.pipeline(), states[i % 4]);
        g_usleep(static_cast<gulong>(i % 5) * 2000);
      }
    }
    p.go_to(GST_STATE_NULL);
    fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
  }
  fail_unless(tone_all_gone());
}

RUN_CASES("races")
