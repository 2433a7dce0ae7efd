// On air: a live programme for minutes in real time beside an announcer on the bundled voice. The
// programme is the left channel of the mix, the speech the right one; the left one must be the
// programme's tone to the last sample.
//
// usage: on_air SECONDS   (tests/pipelines/on_air.sh sets the environment). Exit code 1: something
// disturbed it.
#include <gst/gst.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr int kRate = 22050, kPeriod = 50;  // of the tone, in samples

struct OnAir {
  // The sink's streaming thread writes them, main reads after NULL.
  std::vector<float> period;  // the first whole one
  guint64 samples = 0, silent = 0, wrong = 0, voiced = 0, holes = 0;
  GstClockTime next = GST_CLOCK_TIME_NONE;
  // The main thread's.
  guint64 qos = 0, errors = 0, queued = 0, done = 0, other_ends = 0;
};

void take_frame(OnAir& air, float left, float right) {
  air.voiced += std::fabs(right) > 0.01f;
  if (air.samples == 0 && left == 0.0f) {
    ++air.silent;  // before the programme begins
    return;
  }
  const size_t at = air.samples++ % kPeriod;
  if (air.period.size() < kPeriod) {
    air.period.push_back(left);
  } else {
    air.wrong += std::fabs(left - air.period[at]) > 1e-4f;
  }
}

GstPadProbeReturn on_buffer(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto& air = *static_cast<OnAir*>(data);
  GstBuffer* const buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (GST_CLOCK_TIME_IS_VALID(air.next)) {
    const GstClockTime pts = GST_BUFFER_PTS(buffer);
    air.holes += pts > air.next + GST_USECOND || pts + GST_USECOND < air.next;
  }
  air.next = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return GST_PAD_PROBE_OK;
  const auto* const frames = reinterpret_cast<const float*>(map.data);
  for (gsize i = 0; i + 1 < map.size / sizeof(float); i += 2) {
    take_frame(air, frames[i], frames[i + 1]);
  }
  gst_buffer_unmap(buffer, &map);
  return GST_PAD_PROBE_OK;
}

void hear(OnAir& air, GstMessage* message) {
  const GstStructure* const fields = gst_message_get_structure(message);
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_QOS:
      ++air.qos;
      break;
    case GST_MESSAGE_ERROR: {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      std::printf("ERROR: %s\n", error->message);
      g_error_free(error);
      ++air.errors;
      break;
    }
    case GST_MESSAGE_ELEMENT:
      if (gst_structure_has_name(fields, "indextts2/utterance-end")) {
        const bool done = !g_strcmp0(gst_structure_get_string(fields, "reason"), "done");
        ++(done ? air.done : air.other_ends);
      } else if (gst_structure_has_name(fields, "indextts2/utterance-dropped")) {
        ++air.other_ends;
      }
      break;
    default:
      break;
  }
}

// Announcements as they come: most wait for their turn, some interrupt, some are cancelled.
void announce(OnAir& air, GstElement* speech, guint64 number) {
  static const char* const texts[] = {
      "Good evening, and welcome back to the programme.", "The score is two to one.",
      "In the next hour we will speak with our guests about the music of the week.",
      "Please stay with us. The news follows in a moment."};
  GstStructure* const fields =
      gst_structure_new("speak", "text", G_TYPE_STRING, texts[number % 4], "priority", G_TYPE_INT,
                        number % 5 == 4 ? 10 : 0, "seed", G_TYPE_INT64, gint64{1}, nullptr);
  guint64 id = 0;
  g_signal_emit_by_name(speech, "speak-full", fields, &id);
  gst_structure_free(fields);
  air.queued += id > 0;
  if (number % 7 == 6) {
    gboolean known = FALSE;
    g_signal_emit_by_name(speech, "cancel", id, &known);
  }
}

bool report(const OnAir& air, double seconds) {
  const double heard = static_cast<double>(air.samples + air.silent) / kRate;
  std::printf(
      "%.1f s of programme in %.1f s: %llu late or dropped buffers (QOS), %llu holes, %llu wrong "
      "samples\n",
      heard, seconds, static_cast<unsigned long long>(air.qos),
      static_cast<unsigned long long>(air.holes), static_cast<unsigned long long>(air.wrong));
  std::printf(
      "%llu announcements: %llu spoken to their end, %llu cancelled; %.1f s voiced\n",
      static_cast<unsigned long long>(air.queued), static_cast<unsigned long long>(air.done),
      static_cast<unsigned long long>(air.other_ends), static_cast<double>(air.voiced) / kRate);
  return air.errors + air.qos + air.holes + air.wrong == 0 && heard > seconds - 2 &&
         air.silent < kRate / 2 && air.done > 0 && air.voiced > kRate;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 300;
  const std::string line =
      "audiomixer name=mix latency=200000000 sink_0::qos-messages=true sink_1::qos-messages=true ! "
      "audio/x-raw,format=F32LE,channels=2 ! fakesink name=out sync=true qos=true "
      "max-lateness=20000000 "
      "audiotestsrc is-live=true freq=441 samplesperbuffer=441 volume=0.5 ! "
      "audio/x-raw,format=F32LE,rate=22050,channels=1 ! audiopanorama panorama=-1 ! mix.sink_0 "
      "indextts2src name=speech is-live=true ! queue ! audiopanorama panorama=1 ! mix.sink_1";
  GError* error = nullptr;
  GstElement* const pipeline = gst_parse_launch(line.c_str(), &error);
  if (error) {
    std::printf("%s\n", error->message);
    return 1;
  }
  OnAir air;
  GstElement* const out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  GstElement* const speech = gst_bin_get_by_name(GST_BIN(pipeline), "speech");
  GstPad* const pad = gst_element_get_static_pad(out, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, &air, nullptr);
  GstBus* const bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  const gint64 begin = g_get_monotonic_time();
  guint64 announced = 0;
  auto elapsed = [&] { return static_cast<double>(g_get_monotonic_time() - begin) / 1e6; };
  while (elapsed() < seconds && air.errors == 0) {
    if (elapsed() >= 5.0 * static_cast<double>(announced)) announce(air, speech, announced++);
    if (GstMessage* message = gst_bus_timed_pop(bus, 50 * GST_MSECOND)) {
      hear(air, message);
      gst_message_unref(message);
    }
  }
  const double took = elapsed();
  gst_element_set_state(pipeline, GST_STATE_NULL);
  while (GstMessage* message = gst_bus_pop(bus)) {
    hear(air, message);
    gst_message_unref(message);
  }
  const bool good = report(air, took);
  gst_object_unref(bus);
  gst_object_unref(pad);
  gst_object_unref(speech);
  gst_object_unref(out);
  gst_object_unref(pipeline);
  std::printf("%s\n", good ? "undisturbed" : "DISTURBED");
  return good ? 0 : 1;
}
