// Counters as GstStructures.
#include "stats.h"

#include "properties.h"

namespace indextts2 {

GType flow_state_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(FlowState::kStopped), "Not in PAUSED or PLAYING", "stopped"},
      {static_cast<gint>(FlowState::kLoading), "The model is being loaded", "loading"},
      {static_cast<gint>(FlowState::kIdle), "There is nothing to speak", "idle"},
      {static_cast<gint>(FlowState::kSpeaking), "Texts wait or sound", "speaking"},
      {static_cast<gint>(FlowState::kEnded), "The stream is over", "ended"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2State", values);
  return type;
}

FlowState flow_state(const StreamStats& stats) {
  if (!stats.started) return FlowState::kStopped;
  if (stats.ended) return FlowState::kEnded;
  if (stats.loading) return FlowState::kLoading;
  return stats.waiting_texts > 0 ? FlowState::kSpeaking : FlowState::kIdle;
}

namespace {

struct StructureFree {
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
};
using Structure = std::unique_ptr<GstStructure, StructureFree>;

double ratio(double busy, double audio) { return audio > 0 ? busy / audio : 0.0; }

void append(GValue* array, Structure item) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&value, item.release());
  gst_value_array_append_and_take_value(array, &value);
}

void add_devices(GstStructure* out, const Stats& engine, const StreamStats& stream) {
  GValue array = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  for (const DeviceStats& device : engine.devices) {
    auto first = stream.device_first_seconds.find(device.device);
    double first_seconds = first == stream.device_first_seconds.end() ? -1.0 : first->second;
    append(
        &array,
        Structure(gst_structure_new(
            "indextts2/device-stats", "device", G_TYPE_STRING, device.device.c_str(), "segments",
            G_TYPE_UINT64, static_cast<guint64>(device.segments), "audio-seconds", G_TYPE_DOUBLE,
            device.audio_seconds, "busy-seconds", G_TYPE_DOUBLE, device.busy_seconds, "rtf",
            G_TYPE_DOUBLE, ratio(device.busy_seconds, device.audio_seconds), "first-audio-seconds",
            G_TYPE_DOUBLE, first_seconds, "queued", G_TYPE_INT, device.queued, "lost",
            G_TYPE_BOOLEAN, static_cast<gboolean>(device.lost), "codes", G_TYPE_UINT64,
            static_cast<guint64>(device.codes), "codes-per-second", G_TYPE_DOUBLE,
            device.codes_per_second, "busy-share", G_TYPE_DOUBLE, device.busy_share, "memory-bytes",
            G_TYPE_UINT64, static_cast<guint64>(device.memory_used_bytes), nullptr)));
  }
  gst_structure_take_value(out, "devices", &array);
}

// The property where it was set, else the model's own value, else left out.
struct InForce {
  const GenerationOptions& set;
  const GenerationOptions& model;
  GstStructure* out;

  template <typename T>
  const std::optional<T>& pick(std::optional<T> GenerationOptions::*member) const {
    return set.*member ? set.*member : model.*member;
  }
  void number(const char* name, std::optional<double> GenerationOptions::*member) const {
    if (auto& value = pick(member)) gst_structure_set(out, name, G_TYPE_DOUBLE, *value, nullptr);
  }
  void count(const char* name, std::optional<int> GenerationOptions::*member, int limit = 0) const {
    if (auto& value = pick(member)) {
      int lowered = limit > 0 && *value > limit ? limit : *value;
      gst_structure_set(out, name, G_TYPE_INT, lowered, nullptr);
    }
  }
  void flag(const char* name, std::optional<bool> GenerationOptions::*member) const {
    if (auto& value = pick(member)) {
      gst_structure_set(out, name, G_TYPE_BOOLEAN, static_cast<gboolean>(*value), nullptr);
    }
  }
};

Structure generation_in_force(const GenerationOptions& set, const ModelInfo& model) {
  using G = GenerationOptions;
  Structure out(gst_structure_new_empty("indextts2/generation"));
  InForce add{set, model.defaults, out.get()};
  add.number("temperature", &G::temperature);
  add.number("top-p", &G::top_p);
  add.count("top-k", &G::top_k);
  add.count("num-beams", &G::num_beams);
  add.number("repetition-penalty", &G::repetition_penalty);
  add.number("length-penalty", &G::length_penalty);
  add.flag("typical-sampling", &G::typical_sampling);
  add.number("typical-mass", &G::typical_mass);
  add.count("max-mel-tokens", &G::max_mel_tokens, model.max_mel_tokens);
  add.count("max-segment-tokens", &G::max_segment_tokens, model.max_segment_tokens);
  add.count("diffusion-steps", &G::diffusion_steps);
  add.number("guidance", &G::guidance);
  return out;
}

}  // namespace

GstStructure* make_stats(const StreamStats& stream, const Settings& settings) {
  Stats engine;
  ModelInfo model;
  if (stream.engine) {
    engine = stream.engine->stats();
    model = stream.engine->model();
  }
  int queued = 0;
  for (const DeviceStats& device : engine.devices) queued += device.queued;
  Structure out(gst_structure_new(
      "indextts2/stats", "segments", G_TYPE_UINT64, static_cast<guint64>(engine.segments),
      "audio-seconds", G_TYPE_DOUBLE, engine.audio_seconds, "busy-seconds", G_TYPE_DOUBLE,
      engine.busy_seconds, "rtf", G_TYPE_DOUBLE, ratio(engine.busy_seconds, engine.audio_seconds),
      "queued", G_TYPE_INT, queued, "first-audio-seconds", G_TYPE_DOUBLE,
      stream.first_audio_seconds, "samples", G_TYPE_UINT64, static_cast<guint64>(stream.samples),
      "texts-accepted", G_TYPE_UINT64, static_cast<guint64>(stream.texts_accepted), "texts-spoken",
      G_TYPE_UINT64, static_cast<guint64>(stream.texts_spoken), "texts-waiting", G_TYPE_UINT64,
      static_cast<guint64>(stream.waiting_texts), "text-bytes-waiting", G_TYPE_UINT64,
      static_cast<guint64>(stream.waiting_bytes), "texts-dropped", G_TYPE_UINT64,
      static_cast<guint64>(stream.texts_dropped), "texts-cancelled", G_TYPE_UINT64,
      static_cast<guint64>(stream.texts_cancelled), "blocked", G_TYPE_INT, stream.blocked,
      "late-buffers", G_TYPE_UINT64, static_cast<guint64>(stream.late_buffers), "late-jumps",
      G_TYPE_UINT64, static_cast<guint64>(stream.late_jumps), nullptr));
  add_devices(out.get(), engine, stream);
  GValue generation = G_VALUE_INIT;
  g_value_init(&generation, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&generation, generation_in_force(settings.generation, model).release());
  gst_structure_take_value(out.get(), "generation", &generation);
  return out.release();
}

std::string describe_devices(const std::vector<DeviceInfo>& devices) {
  std::string lines;
  for (const DeviceInfo& device : devices) {
    if (!lines.empty()) lines += '\n';
    lines += device.id + ", " + device.name + ", " + std::to_string(device.total_bytes >> 20) +
             " MiB, " + std::to_string(device.free_bytes >> 20) + " MiB free";
  }
  return lines;
}

}  // namespace indextts2
