// Traps 7, 12, 13, 23 and 24: the end of the stream, exit, fork, loading without waiting, devices
// in turn.
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "case.h"
#include "player.h"

using namespace player;

// After the end a text is refused with a WARNING that says how to go on; after a flush it is
// spoken.
CASE(trap_07_text_after_eos) {
  Player p({{"model-path", "tone:"}, {"text", "The first."}});
  fail_unless(p.play());
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), 0);
  p.set("text", "The second.");
  auto warnings = p.reports(GST_MESSAGE_WARNING);
  fail_unless_equals_int(static_cast<int>(warnings.size()), 1);
  fail_unless(warnings[0].text.find("stream has ended") != std::string::npos);
  fail_unless(warnings[0].text.find("flushing seek") != std::string::npos);
  p.forget();
  gst_element_send_event(p.element(), gst_event_new_flush_start());
  gst_element_send_event(p.element(), gst_event_new_flush_stop(TRUE));
  p.set("text", "The third.");
  // The flush woke the streaming thread: it may have ended again before the text came.
  fail_unless(p.wait_end());
  int spoken = static_cast<int>(frequencies(p.floats()).size());
  fail_unless_equals_int(spoken + p.count(GST_MESSAGE_WARNING) - 1, 1);
}

// A text set while others wait is appended.
CASE(trap_07_text_in_playing) {
  Player p({{"model-path", "tone:segment_ms=100"}, {"text", "The first."}});
  p.go_to(GST_STATE_PAUSED, 0);
  p.set("text", "The second.");
  p.set("text", "The third.");
  fail_unless(p.play());
  check_near(frequencies(p.floats()),
             {frequency_of("The first."), frequency_of("The second."), frequency_of("The third.")});
}

// exit() in a bus callback, with texts in work, ends the process cleanly: twenty times, from the
// streaming thread and from the main one.
CASE(trap_12_exit_in_playing) {
  const char* program = g_getenv("INDEXTTS2_EXIT_PROGRAM");
  fail_unless(program != nullptr);
  for (int round = 0; round < 20; ++round) {
    std::string thread = round % 2 ? "main" : "streaming";
    std::string model = round % 4 < 2 ? "tone:segment_ms=20" : "tone:load_ms=5000";
    const double start = seconds_now();
    int status = std::system((std::string(program) + " " + thread + " " + model).c_str());
    fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s %s: status 0x%x", thread.c_str(),
                model.c_str(), status);
    fail_unless(in_time(start, 5), "%s %s hung", thread.c_str(), model.c_str());
  }
}

// A forked child cannot use the engine that its parent has opened, and is told so; the parent goes
// on.
CASE(trap_13_fork) {
  Player p({{"model-path", "tone:"}, {"text", "The parent speaks."}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  pid_t child = fork();
  if (child == 0) {
    GstElement* element = gst_element_factory_make("indextts2src", nullptr);
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(element, bus);
    if (gst_element_set_state(element, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE) _exit(1);
    GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    if (!message) _exit(2);
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    if (!g_error_matches(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT)) _exit(3);
    _exit(std::string(error->message).find("fork") == std::string::npos ? 4 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child: status 0x%x", status);
  fail_unless(p.play());
}

// PAUSED answers at once with ten seconds of loading ahead, and NULL ends it at once.
CASE(trap_23_no_async_state_change) {
  Player p({{"model-path", "tone:load_ms=10000"}, {"text", "Hello."}});
  double start = seconds_now();
  fail_unless_equals_int(gst_element_set_state(p.element(), GST_STATE_PAUSED),
                         GST_STATE_CHANGE_SUCCESS);
  fail_unless(in_time(start, 0.1), "PAUSED took %f s", seconds_now() - start);
  g_usleep(300000);
  start = seconds_now();
  fail_unless_equals_int(gst_element_set_state(p.element(), GST_STATE_NULL),
                         GST_STATE_CHANGE_SUCCESS);
  fail_unless(in_time(start, 0.2), "NULL took %f s", seconds_now() - start);
  auto progress = p.reports(GST_MESSAGE_PROGRESS);
  fail_unless(progress.size() >= 3);
  fail_unless_equals_int(progress.front().code, GST_PROGRESS_TYPE_START);
  fail_unless_equals_int(progress.back().code, GST_PROGRESS_TYPE_CANCELED);
  fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
}

// NULL within 200 ms at any moment: while loading, reading the voice, cutting, speaking, paused.
CASE(trap_23_null_at_any_moment) {
  const char* models[] = {"tone:load_ms=3000", "tone:voice_ms=3000", "tone:read_ms=3000",
                          "tone:segment_ms=3000", "tone:segment_ms=20"};
  for (const char* model : models) {
    for (int wait_ms : {0, 1, 50, 150}) {
      Player p({{"model-path", model}, {"text", "One. Two. Three."}, {"devices", "cpu:2"}});
      p.go_to(GST_STATE_PLAYING, 0);
      g_usleep(wait_ms * 1000);
      double start = seconds_now();
      p.go_to(GST_STATE_NULL);
      fail_unless(in_time(start, 0.2), "%s after %d ms: %f s", model, wait_ms,
                  seconds_now() - start);
      fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
    }
  }
  fail_unless(tone_all_gone());
}

// The harness of GStreamer's own tests insists on SUCCESS.
CASE(trap_23_harness_play) {
  GstElement* element = gst_element_factory_make("indextts2src", nullptr);
  g_object_set(element, "model-path", "tone:", "text", "Hello.", nullptr);
  GstHarness* h = gst_harness_new_with_element(element, nullptr, "src");
  gst_harness_play(h);
  GstBuffer* buffer = gst_harness_pull(h);
  fail_unless(buffer != nullptr);
  fail_unless_equals_uint64(gst_buffer_get_size(buffer), 441 * sizeof(float));
  gst_buffer_unref(buffer);
  gst_element_set_state(h->element, GST_STATE_NULL);
  gst_harness_teardown(h);
  gst_object_unref(element);
}

// A device that cannot be had is an error of its element only, after and beside one that works.
CASE(trap_24_devices_in_turn) {
  Player first({{"model-path", "tone:"}, {"text", "Hello."}, {"devices", "cpu"}});
  fail_unless(first.play());
  Player second({{"model-path", "tone:"}, {"text", "Hello."}, {"devices", "cuda:0"}});
  fail_if(second.go_to(GST_STATE_PAUSED));
  auto errors = second.reports(GST_MESSAGE_ERROR);
  fail_unless_equals_int(static_cast<int>(errors.size()), 1);
  fail_unless_equals_int(
      errors[0].domain == GST_RESOURCE_ERROR || errors[0].domain == GST_LIBRARY_ERROR, TRUE);
  fail_unless(errors[0].text.find("cuda:0") != std::string::npos);
  first.go_to(GST_STATE_READY);
  first.forget();
  fail_unless(first.play());
  Player third({{"model-path", "tone:"}, {"text", "Hello."}, {"devices", "tone:3"}});
  fail_unless(third.play());
}

RUN_CASES("traps_lifecycle")
