// Speaks, and calls exit(0) while it does: in a bus callback, of the streaming thread or of the
// main one. usage: exit_in_playing streaming|main MODEL_PATH
#include <gst/gst.h>

#include <cstdlib>
#include <cstring>

#ifdef __SANITIZE_ADDRESS__
// Threads that run on at exit are what this program is about: LeakSanitizer's look at them while
// they end may crash, and what they hold is no leak.
extern "C" __attribute__((visibility("default"))) int __lsan_is_turned_off() { return 1; }
#endif

namespace {

GstBusSyncReply exit_now(GstBus*, GstMessage* message, gpointer) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STREAM_START) std::exit(0);
  return GST_BUS_PASS;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  if (argc != 3) return 2;
  GstElement* pipeline =
      gst_parse_launch("indextts2src name=tts devices=cpu:3 ! fakesink", nullptr);
  if (!pipeline) return 2;
  GstElement* tts = gst_bin_get_by_name(GST_BIN(pipeline), "tts");
  g_object_set(tts, "model-path", argv[2], "text", "One. Two. Three. Four. Five. Six. Seven.",
               nullptr);
  gst_object_unref(tts);
  GstBus* bus = gst_element_get_bus(pipeline);
  if (!std::strcmp(argv[1], "streaming")) gst_bus_set_sync_handler(bus, exit_now, nullptr, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, GST_MESSAGE_STREAM_START);
  if (message) std::exit(0);
  return 3;
}
