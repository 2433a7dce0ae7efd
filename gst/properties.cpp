// Row builders, and the properties of model, devices, text and buffers.
#include "properties.h"

namespace indextts2 {

// Those of a fresh Settings, so that each is written down once.
const Settings kDefaults;

GType register_enum(const char* name, const GEnumValue* values) {
  GType type = g_enum_register_static(name, values);
  gst_type_mark_as_plugin_api(type, static_cast<GstPluginAPIFlags>(0));
  return type;
}

namespace {

const char* nullable(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

GType schedule_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Schedule::kRoundRobin), "Segment i goes to replica i mod N",
       "round-robin"},
      {static_cast<gint>(Schedule::kLeastWork),
       "To the replica that will be through with it first, by estimate and measured speed",
       "least-work"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2Schedule", values);
  return type;
}

GType precision_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Precision::kAuto), "32-bit floats", "auto"},
      {static_cast<gint>(Precision::kFp32), "32-bit floats", "fp32"},
      {static_cast<gint>(Precision::kTf32), "32-bit floats, matrix products in TF32", "tf32"},
      {static_cast<gint>(Precision::kFp16), "16-bit floats", "fp16"},
      {static_cast<gint>(Precision::kBf16), "16-bit brain floats", "bf16"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2Precision", values);
  return type;
}

GType on_error_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(OnError::kFail), "Post an ERROR and stop", "fail"},
      {static_cast<gint>(OnError::kSkip), "Post a WARNING and go on with the next text", "skip"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2OnError", values);
  return type;
}

void add_model_properties(std::vector<Property>* rows) {
  rows->push_back(string_property(
      "model-path",
      "Folder of the model, in the layout of the official IndexTTS2 release. NULL: the bundled "
      "English voice, looked for relative to the plugin. A missing folder is an error when the "
      "element goes to READY",
      Change::kReady, &Settings::model_path));
  rows->push_back(string_property(
      "devices",
      "Where to run, as a comma-separated list: auto, cpu, cpu:N (N replicas over one set of "
      "weights), cuda:N, cuda:*, or a GPU's name or a part of it. Each entry adds replicas that "
      "speak segments in parallel; the sound comes in text order whatever their number. auto: "
      "every GPU, else cpu. @fp16 behind an entry (or @fp32, @tf32, @bf16): its own precision. See "
      "available-devices",
      Change::kReady, &Settings::devices, "auto"));
  rows->push_back(enum_property(
      "schedule",
      "Which replica speaks the next segment. Changes speed only, never the sound on equal devices",
      Change::kPlaying, schedule_type(), &Settings::schedule));
  rows->push_back(uint_property(
      "threads",
      "CPU threads of one replica, 0 to 256. 0: all cores. Another number may change the last bits "
      "of the sound, so it never follows from the number of replicas",
      Change::kReady, &Settings::threads, 0, 256));
  rows->push_back(uint_property(
      "replicas-per-device",
      "Replicas on each entry of devices, 1 to 8. More keep a big GPU busier and need memory for "
      "their caches; the weights of a device are shared",
      Change::kReady, &Settings::replicas_per_device, 1, 8));
  rows->push_back(enum_property("precision",
                                "Number format of the networks. Fewer bits are faster on a GPU and "
                                "change the sound slightly",
                                Change::kReady, precision_type(), &Settings::precision));
  rows->push_back(uint_property(
      "prefetch",
      "Segments being spoken or waiting ahead of playback, 0 to 1024. 0: 4 x replicas x batch + 2. "
      "More smooths uneven segments and uses memory; the sound stays the same",
      Change::kReady, &Settings::prefetch, 0, 1024));
  rows->push_back(bool_property("warmup",
                                "Speak one short dummy segment on each replica while loading, so "
                                "that the first real one is not slower than the others",
                                Change::kReady, &Settings::warmup));
  rows->push_back(bool_property(
      "preload",
      "Load the model when the element goes to PAUSED. FALSE: when the first text is to be spoken, "
      "so that an element without text holds no memory",
      Change::kReady, &Settings::preload));
  rows->push_back(bool_property(
      "share-pool",
      "Share weights and replicas with other elements of the process that use the same model, "
      "devices and precision. FALSE: own copies, more memory, no waiting for each other",
      Change::kReady, &Settings::share_pool));
}

}  // namespace

GParamFlags param_flags(Change change) {
  int flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  flags |= change == Change::kReady ? GST_PARAM_MUTABLE_READY : GST_PARAM_MUTABLE_PLAYING;
  return static_cast<GParamFlags>(flags);
}

Property string_property(const char* name, const char* blurb, Change change,
                         std::string Settings::*member, const char* def) {
  Property row;
  row.spec = g_param_spec_string(name, nullptr, blurb, def, param_flags(change));
  row.set = [member](Settings& s, const GValue* v) {
    const char* text = g_value_get_string(v);
    s.*member = text ? text : "";
  };
  row.get = [member](const Settings& s, GValue* v) { g_value_set_string(v, nullable(s.*member)); };
  return row;
}

Property text_property(const char* name, const char* blurb, Change change,
                       std::optional<std::string> Settings::*member) {
  Property row;
  row.spec = g_param_spec_string(name, nullptr, blurb, nullptr, param_flags(change));
  row.set = [member](Settings& s, const GValue* v) {
    const char* text = g_value_get_string(v);
    s.*member = text ? std::optional<std::string>(text) : std::nullopt;
  };
  row.get = [member](const Settings& s, GValue* v) {
    g_value_set_string(v, s.*member ? (s.*member)->c_str() : nullptr);
  };
  return row;
}

Property bool_property(const char* name, const char* blurb, Change change,
                       gboolean Settings::*member) {
  Property row;
  row.spec = g_param_spec_boolean(name, nullptr, blurb, kDefaults.*member, param_flags(change));
  row.set = [member](Settings& s, const GValue* v) { s.*member = g_value_get_boolean(v); };
  row.get = [member](const Settings& s, GValue* v) { g_value_set_boolean(v, s.*member); };
  return row;
}

Property uint_property(const char* name, const char* blurb, Change change, guint Settings::*member,
                       guint min, guint max) {
  Property row;
  row.spec =
      g_param_spec_uint(name, nullptr, blurb, min, max, kDefaults.*member, param_flags(change));
  row.set = [member](Settings& s, const GValue* v) { s.*member = g_value_get_uint(v); };
  row.get = [member](const Settings& s, GValue* v) { g_value_set_uint(v, s.*member); };
  return row;
}

Property uint64_property(const char* name, const char* blurb, Change change,
                         guint64 Settings::*member, guint64 min, guint64 max) {
  Property row;
  row.spec =
      g_param_spec_uint64(name, nullptr, blurb, min, max, kDefaults.*member, param_flags(change));
  row.set = [member](Settings& s, const GValue* v) { s.*member = g_value_get_uint64(v); };
  row.get = [member](const Settings& s, GValue* v) { g_value_set_uint64(v, s.*member); };
  return row;
}

void add_stream_properties(std::vector<Property>* rows) {
  add_model_properties(rows);
  rows->push_back(text_property(
      "text",
      "Text to speak, UTF-8. Set before PAUSED it is the programme; set later it is appended and "
      "spoken after what is already accepted. Refused with a WARNING when max-text-bytes are "
      "waiting or the stream has ended",
      Change::kPlaying, &Settings::text));
  rows->push_back(text_property(
      "location",
      "File to speak instead of text: a path or a file:// URI. UTF-8 with or without byte order "
      "mark, or UTF-16 with one. At most max-text-bytes",
      Change::kReady, &Settings::location));
  rows->push_back(uint_property(
      "max-text-bytes",
      "Bytes of text that may be accepted and not yet spoken. 0: no limit. When they are waiting, "
      "the sink pad blocks its upstream and text is refused; one text or line above the limit is "
      "an error",
      Change::kPlaying, &Settings::max_text_bytes, 0, G_MAXUINT));
  rows->push_back(enum_property(
      "on-error",
      "What to do when one text cannot be spoken (not UTF-8, voice missing, no usable sound). "
      "Errors of model and devices always stop",
      Change::kPlaying, on_error_type(), &Settings::on_error));
  rows->push_back(uint64_property(
      "buffer-duration",
      "Length of an audio buffer in nanoseconds, 0 to 1 s. 0: one buffer per segment. Shorter "
      "buffers let downstream react sooner, longer ones cost less overhead",
      Change::kReady, &Settings::buffer_duration_ns, 0, GST_SECOND));
}

GParamSpec* uri_spec() {
  return g_param_spec_string("uri", nullptr,
                             "text or location as a URI: indextts2:TEXT with TEXT percent-encoded, "
                             "or file://PATH. Setting "
                             "it clears the other of the two",
                             nullptr, param_flags(Change::kReady));
}

GParamSpec* stats_spec() {
  return g_param_spec_boxed(
      "stats", nullptr,
      "Counters since loading: segments, audio-seconds, busy-seconds, rtf (busy / audio), queued "
      "segments, first-audio-seconds (from PAUSED to the first sound; -1: none yet), texts, "
      "blocked (threads that wait for space for a text); the same per replica in devices; and in "
      "generation the sampling values in force for the next text",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

GParamSpec* available_devices_spec() {
  return g_param_spec_string("available-devices", nullptr,
                             "What devices may name, one line each: id, name, total and free "
                             "memory in MiB. Empty in NULL, "
                             "filled when the element goes to READY",
                             "",
                             static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

}  // namespace indextts2
