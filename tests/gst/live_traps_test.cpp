// Traps of live mode (docs/live.md), on a test clock.
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

// The sound of one text as the non-live element speaks it.
std::vector<float> spoken(const std::string& text, const std::string& gap = "200000000") {
  Player p({{"model-path", "tone:"}, {"text", text}, {"seed", "1"}, {"segment-gap", gap}});
  fail_unless(p.play());
  return p.floats();
}

}  // namespace

// Trap 1: live, the latency asked for, no maximum.
CASE(trap_01_latency) {
  LiveRig rig("latency=30000000");
  gboolean live;
  GstClockTime min, max;
  GstQuery* query = gst_query_new_latency();
  fail_unless(gst_element_query(rig.element(), query));
  gst_query_parse_latency(query, &live, &min, &max);
  gst_query_unref(query);
  fail_unless(live);
  fail_unless_equals_uint64(min, 30 * GST_MSECOND);
  fail_unless_equals_uint64(max, GST_CLOCK_TIME_NONE);
}

// Trap 6: PAUSED keeps what is being spoken, to the sample.
CASE(trap_06_pause_loses_nothing) {
  const std::string text = "A text that is paused in its very middle, and goes on.";
  LiveRig rig;
  const guint64 id = rig.speak(text);
  rig.wait_spoken(1);
  rig.step_to_sound(id);
  rig.step(5);
  gst_element_set_state(rig.element(), GST_STATE_PAUSED);
  while (gst_harness_buffers_in_queue(rig.harness()) > 0) rig.step();
  const size_t before = rig.buffers.size();
  // Two seconds later; a pipeline would move the base time on.
  gst_harness_set_time(rig.harness(), rig.now() + 2 * GST_SECOND);
  fail_unless_equals_int(static_cast<int>(gst_harness_buffers_in_queue(rig.harness())), 0);
  const GstClockTime now = rig.now();
  gst_element_set_state(rig.element(), GST_STATE_PLAYING);
  rig.step_to_end(id);
  rig.step(2);
  fail_unless(rig.buffers[before].discont);
  fail_unless(rig.buffers[before].pts >= now);
  fail_unless(rig.samples_of(id) == spoken(text));
}

CASE(pause_storm_loses_nothing) {
  const std::string text = std::string(60, 'c') + ". " + std::string(60, 'd') + ".";
  LiveRig rig;
  const guint64 id = rig.speak(text);
  rig.wait_spoken(2);
  rig.step_to_sound(id);
  for (int i = 0; i < 30; ++i) {
    gst_element_set_state(rig.element(), GST_STATE_PAUSED);
    gst_element_set_state(rig.element(), GST_STATE_PLAYING);
    rig.step();
  }
  rig.step_to_end(id);
  std::vector<float> wanted = spoken(text, "200000000");
  wanted.erase(wanted.begin() + 61 * 220, wanted.begin() + 61 * 220 + 4410);
  fail_unless(rig.samples_of(id) == wanted);
}

// Trap 5: nothing waits for itself while the state changes and the bus asks.
CASE(trap_05_pause_with_a_curious_bus) {
  Player p({{"model-path", "tone:"}, {"is-live", "true"}, {"text", std::string(200, 'a') + "."}});
  p.on_message(
      [](GstMessage* message, void*) {
        if (!GST_IS_ELEMENT(GST_MESSAGE_SRC(message))) return;
        GstElement* element = GST_ELEMENT(GST_MESSAGE_SRC(message));
        if (!gst_element_get_factory(element)) return;
        GstQuery* query = gst_query_new_latency();
        gst_element_query(element, query);
        gst_query_unref(query);
        gint64 position;
        gst_element_query_position(element, GST_FORMAT_TIME, &position);
      },
      nullptr);
  for (int i = 0; i < 100; ++i) {
    gst_element_set_state(p.pipeline(), GST_STATE_PLAYING);
    gst_element_get_state(p.pipeline(), nullptr, nullptr, GST_SECOND);
    gst_element_set_state(p.pipeline(), GST_STATE_PAUSED);
    gst_element_get_state(p.pipeline(), nullptr, nullptr, GST_SECOND);
  }
}

// A slow model: PAUSED and back to NULL at once, in the middle of loading; errors of loading
// arrive.
CASE(trap_23_live_states_do_not_wait) {
  for (int i = 0; i < 5; ++i) {
    const double start = seconds_now();
    LiveRig rig("model-path=tone:load_ms=10000");
    gst_element_set_state(rig.element(), GST_STATE_NULL);
    fail_unless(in_time(start, 1));
  }
  Player p({{"model-path", "tone:throw_at=open_engine,throw=kModel"}, {"is-live", "true"}});
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(!p.wait_end());
  fail_unless(p.reports(GST_MESSAGE_ERROR)[0].domain == GST_LIBRARY_ERROR);
}

// Every start is told before its first buffer, with that buffer's time; so are those of segments.
CASE(trap_20_messages_come_before_their_sound) {
  LiveRig rig("lead-time=100000000");
  rig.step(7);
  for (int i = 0; i < 20; ++i) rig.speak("Words of " + std::to_string(i) + ". And some more.");
  rig.wait_spoken(40);
  rig.step_to_end(20);
  for (guint64 id = 1; id <= 20; ++id) {
    size_t at = 0;
    while (at < rig.buffers.size() && rig.buffers[at].id != id) ++at;
    fail_unless(at < rig.buffers.size(), "%d did not sound", static_cast<int>(id));
    for (const char* name : {"utterance-start", "segment-start"}) {
      const auto told = rig.messages(name, id);
      fail_unless(!told.empty());
      fail_unless(told[0].buffers_before <= at, "%s of %d came late", name, static_cast<int>(id));
      // The sound may begin inside that buffer.
      const GstClockTime begin = rig.buffers[at].pts;
      fail_unless(told[0].running_time >= begin &&
                  told[0].running_time < begin + rig.buffers[at].duration);
    }
  }
}

// Each name is ours, whatever happens (the rig itself checks them, too).
CASE(trap_22_names_of_messages) {
  LiveRig rig(
      "model-path=tone:fail_word=wrong,inject=tone:0:throw@3 devices=tone:0,tone:1 on-error=skip");
  const guint64 done = rig.speak("Well spoken."), failed = rig.speak("A wrong one. And more.");
  const guint64 late = rig.speak_full("text=Late., ttl=(guint64)1");
  rig.wait_spoken(1);
  for (guint64 id : {done, failed, late}) rig.step_to_end(id);
  rig.cancel(rig.speak("Cancelled."));
  fail_unless(rig.messages().size() >= 8);
  for (const LiveMessage& message : rig.messages()) {
    fail_unless(message.full_name.rfind("indextts2/", 0) == 0, "%s", message.full_name.c_str());
  }
}

RUN_CASES("live_traps")
