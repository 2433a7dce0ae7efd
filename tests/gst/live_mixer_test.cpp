// A live programme beside the element in an audiomixer, in real time: the programme must come out
// sample by sample, from the first on, whatever the element does (docs/live.md, the mixer table).
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

constexpr char kCaps[] = "audio/x-raw,format=F32LE,rate=22050,channels=1";
constexpr size_t kSeconds = 2;

struct Mix {
  std::mutex mutex;  // guards all below
  std::vector<float> samples;
  guint64 dropped = 0;
};

GstPadProbeReturn take(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* mix = static_cast<Mix*>(data);
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  std::lock_guard<std::mutex> lock(mix->mutex);
  const size_t old = mix->samples.size(), size = gst_buffer_get_size(buffer);
  mix->samples.resize(old + size / sizeof(float));
  gst_buffer_extract(buffer, 0, mix->samples.data() + old, size);
  return GST_PAD_PROBE_OK;
}

std::string tone(const std::string& more) {
  return "audiotestsrc freq=441 samplesperbuffer=441 volume=0.5 " + more + " ! " + kCaps;
}

// The first samples that come out of `line` at the pad sink of the element `out`.
std::vector<float> run(const std::string& line, size_t count, guint64* dropped) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  fail_unless(pipeline && !error, "%s", error ? error->message : "");
  Mix mix;
  GstElement* out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  GstPad* pad = gst_element_get_static_pad(out, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, take, &mix, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  const double start = seconds_now();
  while (seconds_now() - start < kPatienceSeconds) {
    {
      std::lock_guard<std::mutex> lock(mix.mutex);
      if (mix.samples.size() >= count) break;
    }
    GstMessage* message = gst_bus_timed_pop(bus, 10 * GST_MSECOND);
    if (!message) continue;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_QOS) {
      GstFormat format;
      guint64 processed;
      gst_message_parse_qos_stats(message, &format, &processed, dropped);
    }
    fail_if(GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR);
    gst_message_unref(message);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pad);
  gst_object_unref(out);
  gst_object_unref(pipeline);
  mix.samples.resize(std::min(mix.samples.size(), count));
  return mix.samples;
}

void check_undisturbed(const std::string& programme, const std::string& speech,
                       const std::string& mixer = "") {
  const size_t count = kSeconds * 22050;
  guint64 dropped = 0;
  const std::vector<float> wanted = run(tone("") + " ! fakesink name=out", count, &dropped);
  std::vector<float> got;
  size_t begin = count;
  // A busy machine may start the programme late; the element would do so each time.
  for (int attempt = 0; attempt < 3 && begin >= 22050 / 2; ++attempt) {
    got = run("audiomixer name=mix latency=1000000000 " + mixer + " ! " + kCaps +
                  " ! fakesink name=out sync=true " + tone(programme) + " ! mix. " + speech,
              count, &dropped);
    fail_unless_equals_uint64(got.size(), count);
    for (begin = 0; begin < count && got[begin] == 0.0f;) ++begin;
  }
  fail_unless(begin < 22050 / 2, "the programme begins after %d samples", static_cast<int>(begin));
  // The tone has a period of 50 samples. It may begin a little late, and then never stumbles.
  size_t phase = 0;
  auto differs = [&](size_t i) {
    return std::fabs(got[begin + i] - wanted[(phase + i) % 50]) > 1e-4f;
  };
  while (phase < 50 && (differs(0) || differs(1))) ++phase;
  for (size_t i = 0; begin + i < count; ++i) {
    fail_if(differs(i), "sample %d is %f, not %f", static_cast<int>(begin + i),
            static_cast<double>(got[begin + i]), static_cast<double>(wanted[(phase + i) % 50]));
  }
  fail_unless_equals_uint64(dropped, 0);
}

constexpr char kIdle[] = "indextts2src model-path=tone: is-live=true ! mix.";
constexpr char kIdleQueue[] = "indextts2src model-path=tone: is-live=true ! queue ! mix.";
// Heard through a silent pad: the mixer works on it, and the sum is still the tone.
constexpr char kSpeaking[] =
    "indextts2src model-path=tone: is-live=true text=\"Some words. Some more of them.\" ! queue ! "
    "volume volume=0 ! mix.";

}  // namespace

CASE(trap_01_live_programme_idle_element) { check_undisturbed("is-live=true", kIdle); }
CASE(live_programme_idle_element_behind_a_queue) { check_undisturbed("is-live=true", kIdleQueue); }
CASE(live_programme_speaking_element) { check_undisturbed("is-live=true", kSpeaking); }
CASE(live_programme_force_live) {
  check_undisturbed("is-live=true", kSpeaking, "force-live=true ignore-inactive-pads=true");
}
CASE(live_programme_slow_model) {
  check_undisturbed("is-live=true",
                    "indextts2src model-path=tone:load_ms=1500 is-live=true text=Late. ! queue ! "
                    "volume volume=0 ! mix.");
}
CASE(live_programme_blocked_element) {
  check_undisturbed("is-live=true",
                    "indextts2src model-path=tone: is-live=true idle-mode=gap ! queue ! mix.");
}
CASE(file_programme_live_element) { check_undisturbed("", kSpeaking); }

// Without is-live the times start at 0: the programme is not hurt, and the speech comes too late.
CASE(live_programme_file_element) {
  check_undisturbed("is-live=true",
                    "indextts2src model-path=tone: text=Words. ! queue ! volume volume=0 ! mix.");
}

RUN_CASES("live_mixer")
