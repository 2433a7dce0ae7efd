// Announcements over a live programme that is turned down for them.
//
// needs: the plugin in GST_PLUGIN_PATH, a sound output (or a LIVE_MIXER_SINK, as in a launch line)
//
// does: mixes a live tone with indextts2src; ducks the tone by a control source on the mixer pad
//
// hear: a tone, which goes down half a second before each announcement and comes back after it
//
// usage: live_mixer [TEXT...]
#include <gst/controller/controller.h>
#include <gst/gst.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr double kFull = 0.1, kDucked = 0.02;  // of 10, the scale of a volume property's control
constexpr GstClockTime kRamp = 400 * GST_MSECOND;

struct Mixer {
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  GstElement* pipeline = nullptr;
  GstTimedValueControlSource* volume =
      GST_TIMED_VALUE_CONTROL_SOURCE(gst_interpolation_control_source_new());
  int open = 0;  // announcements to come

  // A straight line from the present value to `value`, which is reached at `end`.
  void fade(double from, double value, GstClockTime end) {
    const GstClockTime begin = end > kRamp ? end - kRamp : 0;
    gst_timed_value_control_source_set(volume, begin, from);
    gst_timed_value_control_source_set(volume, end, value);
  }
};

gboolean on_message(GstBus*, GstMessage* message, gpointer data) {
  auto* mixer = static_cast<Mixer*>(data);
  const GstStructure* fields = gst_message_get_structure(message);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    std::fprintf(stderr, "live_mixer: %s\n", error->message);
    std::exit(1);
  }
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) g_main_loop_quit(mixer->loop);
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT || !fields) return TRUE;
  guint64 time = 0;
  gst_structure_get_uint64(fields, "running-time", &time);
  if (gst_structure_has_name(fields, "indextts2/utterance-start")) {
    std::printf("announcement at %" GST_TIME_FORMAT "\n", GST_TIME_ARGS(time));
    mixer->fade(kFull, kDucked, time);
  } else if (gst_structure_has_name(fields, "indextts2/utterance-end") ||
             gst_structure_has_name(fields, "indextts2/utterance-dropped")) {
    mixer->fade(kDucked, kFull, time + kRamp);
    if (--mixer->open == 0) {
      g_timeout_add(
          1500,
          [](gpointer m) -> gboolean {
            gst_element_send_event(static_cast<Mixer*>(m)->pipeline, gst_event_new_eos());
            return FALSE;
          },
          mixer);
    }
  }
  return TRUE;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const char* sink = g_getenv("LIVE_MIXER_SINK");
  const std::string line =
      "audiomixer name=mix force-live=true ignore-inactive-pads=true start-time-selection=zero "
      "! audioconvert ! " +
      std::string(sink ? sink : "autoaudiosink") +
      " audiotestsrc is-live=true freq=330 ! audio/x-raw,rate=48000 ! audioconvert ! mix.sink_0 "
      "indextts2src name=tts is-live=true lead-time=500000000 max-lateness=60000000000 ! queue "
      "! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! mix.sink_1";
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error) {
    std::fprintf(stderr, "live_mixer: %s\n", error->message);
    return 1;
  }
  Mixer mixer;
  mixer.pipeline = pipeline;
  g_object_set(mixer.volume, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  GstElement* mix = gst_bin_get_by_name(GST_BIN(pipeline), "mix");
  GstPad* programme = gst_element_get_static_pad(mix, "sink_0");
  gst_object_add_control_binding(GST_OBJECT(programme),
                                 gst_direct_control_binding_new(GST_OBJECT(programme), "volume",
                                                                GST_CONTROL_SOURCE(mixer.volume)));
  gst_timed_value_control_source_set(mixer.volume, 0, kFull);
  GstBus* bus = gst_element_get_bus(pipeline);
  gst_bus_add_watch(bus, on_message, &mixer);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstElement* tts = gst_bin_get_by_name(GST_BIN(pipeline), "tts");
  for (int i = 1; i < argc || i == 1; ++i) {
    guint64 id = 0;
    g_signal_emit_by_name(tts, "speak", i < argc ? argv[i] : "Good evening.", &id);
    if (id > 0) ++mixer.open;
  }
  if (mixer.open > 0) g_main_loop_run(mixer.loop);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  return mixer.open == 0 ? 0 : 1;
}
