// The harness of live tests.
#include "live_rig.h"

#include <chrono>
#include <thread>
#include <utility>

#include "case.h"

namespace player {

LiveRig::LiveRig(const std::string& properties) {
  const std::string line = "indextts2src model-path=tone: is-live=true seed=1 " + properties;
  element_ = gst_parse_launch(line.c_str(), nullptr);
  fail_unless(element_ != nullptr, "%s", line.c_str());
  gst_object_ref_sink(element_);
  bus_ = gst_bus_new();
  gst_bus_set_sync_handler(bus_, on_message, this, nullptr);
  gst_element_set_bus(element_, bus_);
  harness_ = gst_harness_new_with_element(element_, nullptr, "src");
  gst_harness_use_testclock(harness_);
  gst_harness_set_sink_caps_str(harness_, "audio/x-raw, format=F32LE");
  gst_harness_play(harness_);
}

LiveRig::~LiveRig() {
  gst_element_set_state(element_, GST_STATE_NULL);  // the harness frees first what its pad answers
  gst_harness_teardown(harness_);
  gst_bus_set_sync_handler(bus_, nullptr, nullptr, nullptr);
  gst_object_unref(bus_);
  gst_object_unref(element_);
}

GstBusSyncReply LiveRig::on_message(GstBus*, GstMessage* message, gpointer data) {
  auto* self = static_cast<LiveRig*>(data);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_QOS) {
    gint64 late = 0;
    gst_message_parse_qos_values(message, &late, nullptr, nullptr);
    std::lock_guard<std::mutex> lock(self->mutex_);
    self->late_.push_back(late);
  }
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT) {
    const GstStructure* s = gst_message_get_structure(message);
    LiveMessage made;
    const std::string name = gst_structure_get_name(s);
    made.full_name = name;
    fail_unless(name.rfind("indextts2/", 0) == 0, "%s", name.c_str());
    made.name = name.substr(10);
    for (gint i = 0; i < gst_structure_n_fields(s); ++i) {
      made.fields.insert(gst_structure_nth_field_name(s, static_cast<guint>(i)));
    }
    gst_structure_get_uint64(s, "id", &made.id);
    gst_structure_get_uint64(s, "running-time", &made.running_time);
    gst_structure_get_uint64(s, "heard", &made.heard);
    if (const char* reason = gst_structure_get_string(s, "reason")) made.reason = reason;
    if (const char* data_field = gst_structure_get_string(s, "user-data")) {
      made.user_data = data_field;
    }
    std::lock_guard<std::mutex> lock(self->mutex_);
    made.buffers_before = self->harness_ ? gst_harness_buffers_received(self->harness_) : 0;
    self->messages_.push_back(made);
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

guint64 LiveRig::speak(const std::string& text) {
  guint64 id = 0;
  g_signal_emit_by_name(element_, "speak", text.c_str(), &id);
  return id;
}

guint64 LiveRig::speak_full(const std::string& fields) {
  GstStructure* s = gst_structure_from_string(("speak, " + fields).c_str(), nullptr);
  fail_unless(s != nullptr, "%s", fields.c_str());
  guint64 id = 0;
  g_signal_emit_by_name(element_, "speak-full", s, &id);
  gst_structure_free(s);
  return id;
}

bool LiveRig::cancel(guint64 id) {
  gboolean known = FALSE;
  g_signal_emit_by_name(element_, "cancel", id, &known);
  return known;
}

void LiveRig::wait_spoken(guint64 segments) {
  const bool done = wait_until([&] {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    guint64 spoken = 0;
    gst_structure_get_uint64(stats, "segments", &spoken);
    gst_structure_free(stats);
    return spoken >= segments;
  });
  fail_unless(done, "%d segments were not spoken", static_cast<int>(segments));
  // The session hands it over at once.
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
}

GstClockTime LiveRig::now() const {
  GstTestClock* clock = gst_harness_get_testclock(harness_);
  const GstClockTime time = gst_clock_get_time(GST_CLOCK(clock));
  gst_object_unref(clock);
  return time;
}

void LiveRig::take(GstBuffer* buffer) {
  LiveBuffer made;
  made.pts = GST_BUFFER_PTS(buffer);
  made.duration = GST_BUFFER_DURATION(buffer);
  made.gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
  made.discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  made.samples.resize(gst_buffer_get_size(buffer) / sizeof(float));
  gst_buffer_extract(buffer, 0, made.samples.data(), gst_buffer_get_size(buffer));
  made.id = 0;
  if (GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstIndexTTS2Meta")) {
    gst_structure_get_uint64(gst_custom_meta_get_structure(meta), "id", &made.id);
  }
  buffers.push_back(std::move(made));
  gst_buffer_unref(buffer);
}

void LiveRig::step(int count) {
  for (int i = 0; i < count; ++i) {
    GstBuffer* buffer = gst_harness_try_pull(harness_);
    while (!buffer) {
      fail_unless(gst_harness_crank_single_clock_wait(harness_));
      // The buffer follows at once; the next wait of the clock tells that it is there.
      gst_harness_wait_for_clock_id_waits(harness_, 1, 5);
      buffer = gst_harness_try_pull(harness_);
    }
    take(buffer);
  }
}

// The clock runs as fast as it is stepped, and the threads that speak as fast as the machine lets
// them: after two seconds of silence they get time.
bool LiveRig::step_until(const std::function<bool()>& reached) {
  const double start = seconds_now();
  for (int silent = 0; !reached(); silent = buffers.back().gap ? silent + 1 : 0) {
    if (seconds_now() - start > kPatienceSeconds) return false;
    if (silent > 200) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    step();
  }
  return true;
}

void LiveRig::step_to_end(guint64 id) {
  const bool over = step_until([&] {
    return !messages("utterance-end", id).empty() || !messages("utterance-dropped", id).empty();
  });
  fail_unless(over, "utterance %d did not end", static_cast<int>(id));
}

void LiveRig::step_to_sound(guint64 id) {
  const bool sounds = step_until([&] { return !buffers.empty() && buffers.back().id == id; });
  fail_unless(sounds, "utterance %d did not sound", static_cast<int>(id));
}

std::vector<LiveMessage> LiveRig::take_messages() {
  while (GstEvent* event = gst_harness_try_pull_event(harness_)) gst_event_unref(event);
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(messages_, {});
}

std::vector<LiveMessage> LiveRig::messages() {
  std::lock_guard<std::mutex> lock(mutex_);
  return messages_;
}

std::vector<LiveMessage> LiveRig::messages(const std::string& name, guint64 id) {
  std::vector<LiveMessage> found;
  for (const LiveMessage& message : messages()) {
    if (message.name == name && message.id == id) found.push_back(message);
  }
  return found;
}

std::vector<GstClockTimeDiff> LiveRig::late() {
  std::lock_guard<std::mutex> lock(mutex_);
  return late_;
}

std::vector<float> LiveRig::samples_of(guint64 id) const {
  std::vector<float> samples;
  for (const LiveBuffer& buffer : buffers) {
    if (buffer.id == id) {
      samples.insert(samples.end(), buffer.samples.begin(), buffer.samples.end());
    }
  }
  return samples;
}

}  // namespace player
