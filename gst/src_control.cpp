// Action signals and custom events of indextts2src: speak, cancel, end.
#include <cstring>
#include <optional>

#include "audio_slicer.h"
#include "markup.h"
#include "properties.h"
#include "src_element.h"

namespace indextts2 {
namespace {

// Sets what a property of the same name would, for this text alone. False: no such property.
bool apply_property(Settings* settings, const char* name, const GValue* value) {
  static const std::vector<Property>* const rows = [] {
    auto* all = new std::vector<Property>;
    add_speech_properties(all);
    for (Property& row : *all) g_param_spec_ref_sink(row.spec);
    return all;
  }();
  for (const Property& row : *rows) {
    if (std::strcmp(row.spec->name, name) != 0) continue;
    GValue converted = G_VALUE_INIT;
    g_value_init(&converted, row.spec->value_type);
    const bool fits =
        g_value_transform(value, &converted) && !g_param_value_validate(row.spec, &converted);
    if (fits) row.set(*settings, &converted);
    g_value_unset(&converted);
    if (!fits) {
      throw Error(ErrorCode::kSettings, std::string("speak: the field ") + name + " of type " +
                                            G_VALUE_TYPE_NAME(value) +
                                            " does not fit the property of that name.");
    }
    return true;
  }
  return false;
}

QueueMode mode_of(const char* mode) {
  if (!mode || !std::strcmp(mode, "append")) return QueueMode::kAppend;
  if (!std::strcmp(mode, "replace-pending")) return QueueMode::kReplacePending;
  if (!std::strcmp(mode, "interrupt")) return QueueMode::kInterrupt;
  throw Error(ErrorCode::kSettings, std::string("speak: mode: expected append, replace-pending or "
                                                "interrupt, got ") +
                                        mode + ".");
}

bool resumes(const char* wish) {
  if (!wish || !std::strcmp(wish, "resume")) return true;
  if (!std::strcmp(wish, "drop")) return false;
  throw Error(ErrorCode::kSettings,
              std::string("speak: on-interrupt: expected resume or drop, got ") + wish + ".");
}

// Bindings of other languages send small numbers as they like.
std::optional<guint64> whole_number(const GValue* value) {
  if (G_VALUE_HOLDS_UINT64(value)) return g_value_get_uint64(value);
  if (G_VALUE_HOLDS_UINT(value)) return g_value_get_uint(value);
  if (G_VALUE_HOLDS_INT64(value) && g_value_get_int64(value) >= 0) {
    return static_cast<guint64>(g_value_get_int64(value));
  }
  if (G_VALUE_HOLDS_INT(value) && g_value_get_int(value) >= 0) {
    return static_cast<guint64>(g_value_get_int(value));
  }
  return std::nullopt;
}

std::optional<guint64> whole_number(const GstStructure* fields, const char* name) {
  const GValue* const value = gst_structure_get_value(fields, name);
  return value ? whole_number(value) : std::nullopt;
}

// False: not a field of speak-full itself.
bool check_own_field(const char* name, const GValue* value) {
  for (const char* field : {"not-before", "ttl"}) {
    if (std::strcmp(field, name) != 0) continue;
    if (whole_number(value)) return true;
    throw Error(ErrorCode::kSettings,
                std::string("speak: ") + name + ": expected nanoseconds as an integer from 0 on.");
  }
  for (const char* field : {"text", "mode", "on-interrupt", "user-data"}) {
    if (std::strcmp(field, name) != 0) continue;
    if (G_VALUE_HOLDS_STRING(value)) return true;
    throw Error(ErrorCode::kSettings, std::string("speak: ") + name +
                                          ": expected a string, got a " + G_VALUE_TYPE_NAME(value) +
                                          ".");
  }
  return false;
}

// What a field says of the emotion goes before what a property says.
void forget_other_emotions(const GstStructure* fields, Settings* settings) {
  const bool given = gst_structure_has_field(fields, "emotion-vector") ||
                     gst_structure_has_field(fields, "emotion-audio");
  gboolean from_text = FALSE;
  gst_structure_get_boolean(fields, "emotion-from-text", &from_text);
  if (given || from_text) settings->emotion_text.clear();
  if (given) settings->emotion_from_text = FALSE;
  if (gst_structure_has_field(fields, "emotion-audio")) settings->emotion_vector.clear();
}

void check_fields(const GstStructure* fields, Settings* settings) {
  forget_other_emotions(fields, settings);
  for (gint i = 0; i < gst_structure_n_fields(fields); ++i) {
    const char* const name = gst_structure_nth_field_name(fields, static_cast<guint>(i));
    const GValue* const value = gst_structure_get_value(fields, name);
    if (check_own_field(name, value) || apply_property(settings, name, value)) continue;
    throw Error(ErrorCode::kSettings, std::string("speak: unknown field ") + name + ".");
  }
}

// Throws Error{kSettings}.
std::vector<Utterance> utterances_of(const GstStructure* fields, Settings settings) {
  check_fields(fields, &settings);
  const char* const text = gst_structure_get_string(fields, "text");
  if (!text || !*text) throw Error(ErrorCode::kSettings, "speak: the field text is missing.");
  const char* const mode = gst_structure_get_string(fields, "mode");
  settings.queue_mode = mode ? mode_of(mode) : QueueMode::kAppend;
  std::vector<Utterance> utterances = make_utterances(settings, text);
  if (const auto time = whole_number(fields, "ttl")) utterances[0].ttl = samples_in(*time);
  for (Utterance& utterance : utterances) {
    utterance.resume = resumes(gst_structure_get_string(fields, "on-interrupt"));
    const char* const data = gst_structure_get_string(fields, "user-data");
    if (data) utterance.user_data = data;
    if (const auto time = whole_number(fields, "not-before"))
      utterance.not_before = sample_at(*time);
  }
  return utterances;
}

void post_progress(GstElement* element, GstProgressType type, const std::string& text) {
  gst_element_post_message(
      element, gst_message_new_progress(GST_OBJECT(element), type, "voice", text.c_str()));
}

struct VoiceAhead {
  std::shared_ptr<Engine> engine;
  VoiceOptions voice;
};

// On a thread of GStreamer's, which holds the element meanwhile.
void read_voice_ahead(GstElement* element, gpointer data) {
  VoiceAhead& ahead = *static_cast<VoiceAhead*>(data);
  post_progress(element, GST_PROGRESS_TYPE_START, "Reading the voice " + ahead.voice.speaker.path);
  try {
    ahead.engine->load_voice(ahead.voice);
    post_progress(element, GST_PROGRESS_TYPE_COMPLETE, "Reading the voice: done");
  } catch (...) {
    element_of(element).reporter.warning(current_error());
    post_progress(element, GST_PROGRESS_TYPE_ERROR, "Reading the voice: failed");
  }
}

guint64 accept(GstElement* element, Element& e, std::vector<Utterance> utterances) {
  std::vector<Notice> notices;
  uint64_t id = 0;
  const SpeechFlow::Accepted accepted = accept_all(&e.flow(), std::move(utterances), &id, &notices);
  post_notices(GST_BASE_SRC(element), e, notices);
  return accepted == SpeechFlow::Accepted::kYes ? id : 0;
}

guint64 on_speak(GstElement* element, const gchar* text) {
  Element& e = element_of(element);
  return guarded(e.reporter, guint64{0}, [&]() -> guint64 {
    if (!text || !*text) return 0;
    return accept(element, e, make_utterances(e.copy_settings(), text));
  });
}

// A wrong field is the caller's mistake: a WARNING, and nothing is spoken.
guint64 on_speak_full(GstElement* element, const GstStructure* fields) {
  Element& e = element_of(element);
  return guarded(e.reporter, guint64{0}, [&]() -> guint64 {
    if (!fields) return 0;
    std::vector<Utterance> utterances;
    try {
      utterances = utterances_of(fields, e.copy_settings());
    } catch (const Error& error) {
      e.reporter.warning(error);
      return 0;
    }
    return accept(element, e, std::move(utterances));
  });
}

gboolean on_cancel(GstElement* element, guint64 id) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    std::vector<Notice> notices;
    const gboolean known = e.flow().cancel(id, &notices);
    post_notices(GST_BASE_SRC(element), e, notices);
    return known;
  });
}

guint on_cancel_all(GstElement* element, gboolean include_current) {
  Element& e = element_of(element);
  return guarded(e.reporter, guint{0}, [&] {
    std::vector<Notice> notices;
    const size_t count = e.flow().cancel_all(include_current, &notices);
    post_notices(GST_BASE_SRC(element), e, notices);
    return static_cast<guint>(count);
  });
}

// Names the voice at once; a thread reads the clip ahead, so that the first text with it does not
// wait. Its PROGRESS has the code "voice".
gboolean on_load_voice(GstElement* element, const gchar* name, const gchar* path) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&]() -> gboolean {
    if (!name || !*name || !path || !*path) return FALSE;
    VoiceOptions voice;
    {
      std::lock_guard<std::mutex> lock(e.mutex);
      e.settings.voices[name] = path;
      Settings with = e.settings;
      with.voice = name;
      voice = voice_options(with);
    }
    std::shared_ptr<Engine> engine = e.flow().engine();
    if (!engine) return FALSE;
    gst_element_call_async(element, read_voice_ahead,
                           new VoiceAhead{std::move(engine), std::move(voice)},
                           [](gpointer data) { delete static_cast<VoiceAhead*>(data); });
    return TRUE;
  });
}

// The answer says that the work has begun.
gboolean on_load_device(GstElement* element, const gchar* device) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    return static_cast<gboolean>(device && e.devices.load(e.flow().engine(), device));
  });
}

gboolean on_unload_device(GstElement* element, const gchar* device) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    return static_cast<gboolean>(device && e.devices.unload(e.flow().engine(), device));
  });
}

GstFlowReturn on_end_of_stream(GstElement* element) {
  Element& e = element_of(element);
  return guarded(e.reporter, GST_FLOW_ERROR, [&] {
    e.flow().drain();
    return GST_FLOW_OK;
  });
}

}  // namespace

void append_text(GstBaseSrc* source, Element& e, const Settings& settings) {
  if (!settings.text || settings.text->empty()) return;
  const size_t bytes = settings.text->size();
  uint64_t id = 0;
  std::vector<Notice> notices;
  const SpeechFlow::Accepted accepted =
      accept_all(&e.flow(), make_utterances(settings, *settings.text), &id, &notices);
  post_notices(source, e, notices);
  switch (accepted) {
    case SpeechFlow::Accepted::kFull:
      e.reporter.warning({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT},
                         "A text of " + std::to_string(bytes) +
                             " bytes was refused: " + std::to_string(settings.max_text_bytes) +
                             " bytes (max-text-bytes) may wait. Set it again later.");
      break;
    case SpeechFlow::Accepted::kEnded:
      e.reporter.warning({GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED},
                         "A text of " + std::to_string(bytes) +
                             " bytes was refused: the stream has ended. Send a flushing seek, or "
                             "set the element to READY and back to PLAYING.");
      break;
    default:
      break;
  }
}

void add_control_signals(GType type) {
  const auto flags = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  auto add = [&](const char* name, GCallback handler, GType answer, guint count, GType argument) {
    g_signal_new_class_handler(name, type, flags, handler, nullptr, nullptr, nullptr, answer, count,
                               argument);
  };
  g_signal_new_class_handler("load-voice", type, flags, G_CALLBACK(on_load_voice), nullptr, nullptr,
                             nullptr, G_TYPE_BOOLEAN, 2, G_TYPE_STRING, G_TYPE_STRING);
  add("speak", G_CALLBACK(on_speak), G_TYPE_UINT64, 1, G_TYPE_STRING);
  add("speak-full", G_CALLBACK(on_speak_full), G_TYPE_UINT64, 1, GST_TYPE_STRUCTURE);
  add("cancel", G_CALLBACK(on_cancel), G_TYPE_BOOLEAN, 1, G_TYPE_UINT64);
  add("cancel-all", G_CALLBACK(on_cancel_all), G_TYPE_UINT, 1, G_TYPE_BOOLEAN);
  add("load-device", G_CALLBACK(on_load_device), G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  add("unload-device", G_CALLBACK(on_unload_device), G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  add("end-of-stream", G_CALLBACK(on_end_of_stream), GST_TYPE_FLOW_RETURN, 0, G_TYPE_NONE);
}

bool take_control_event(GstElement* element, GstEvent* event, gboolean* answer) {
  const GstStructure* const fields = gst_event_get_structure(event);
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_UPSTREAM || !fields) return false;
  if (gst_structure_has_name(fields, "indextts2/speak")) {
    *answer = on_speak_full(element, fields) != 0;
    return true;
  }
  if (gst_structure_has_name(fields, "indextts2/cancel")) {
    gboolean include_current = TRUE;
    gst_structure_get_boolean(fields, "include-current", &include_current);
    if (gst_structure_has_field(fields, "id")) {
      // An id that is no number names nobody, least of all everybody.
      *answer = on_cancel(element, whole_number(fields, "id").value_or(0));
    } else {
      *answer = on_cancel_all(element, include_current) > 0;
    }
    return true;
  }
  return false;
}

}  // namespace indextts2
