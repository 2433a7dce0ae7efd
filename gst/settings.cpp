// Properties to engine options.
#include "settings.h"

#include <gst/gst.h>

#include <algorithm>
#include <cmath>

namespace indextts2 {
namespace {

// A seed that every 32-bit and 64-bit reader of it can hold.
int64_t draw_seed() { return static_cast<int64_t>(g_random_int()) & 0x7fffffff; }

EmotionOptions emotion_options(const Settings& settings) {
  EmotionOptions emotion;
  emotion.alpha = settings.emotion_alpha;
  emotion.random = settings.emotion_random;
  emotion.text = settings.emotion_text;
  emotion.from_text = settings.emotion_from_text != FALSE;
  if (settings.emotion_vector.empty()) return emotion;
  if (settings.emotion_vector.size() != 8) {
    throw Error(ErrorCode::kSettings,
                "emotion-vector: expected 8 values (happy, angry, sad, afraid, disgusted, "
                "melancholic, surprised, calm), got " +
                    std::to_string(settings.emotion_vector.size()) + ".");
  }
  emotion.vector.emplace();
  std::copy(settings.emotion_vector.begin(), settings.emotion_vector.end(),
            emotion.vector->begin());
  return emotion;
}

// Throws Error{kTextDecode} that says where; `what` begins its sentence.
void check_utf8(const char* what, const std::string& text) {
  const gchar* end = nullptr;
  if (g_utf8_validate(text.data(), static_cast<gssize>(text.size()), &end)) return;
  throw Error(ErrorCode::kTextDecode, std::string(what) + " is not valid UTF-8 at byte " +
                                          std::to_string(end - text.data()) + " of " +
                                          std::to_string(text.size()) + "; convert it to UTF-8.");
}

}  // namespace

std::vector<std::string> parse_devices(const std::string& devices) {
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin <= devices.size()) {
    size_t end = std::min(devices.find(',', begin), devices.size());
    size_t first = devices.find_first_not_of(" \t", begin);
    size_t last = end == 0 ? std::string::npos : devices.find_last_not_of(" \t", end - 1);
    if (first < end && last != std::string::npos && last >= first) {
      names.push_back(devices.substr(first, last - first + 1));
    }
    begin = end + 1;
  }
  if (names.empty()) {
    throw Error(ErrorCode::kSettings, "devices: \"" + devices +
                                          "\" names no device; use auto, cpu, cuda:0 or a list "
                                          "such as cuda:0,cuda:1.");
  }
  return names;
}

EngineOptions engine_options(const Settings& settings, const std::string& model_dir) {
  EngineOptions options;
  options.model_dir = model_dir;
  options.devices = parse_devices(settings.devices);
  options.replicas_per_device = static_cast<int>(settings.replicas_per_device);
  options.precision = settings.precision;
  options.threads = static_cast<int>(settings.threads);
  options.warmup = settings.warmup;
  options.share_pool = settings.share_pool;
  return options;
}

const std::string& voice_path(const Settings& settings) {
  const auto named = settings.voices.find(settings.voice);
  return named == settings.voices.end() ? settings.voice : named->second;
}

VoiceOptions voice_options(const Settings& settings) {
  const bool replaced = !settings.emotion_text.empty() || settings.emotion_from_text ||
                        !settings.emotion_vector.empty();
  VoiceOptions options;
  options.speaker.path = voice_path(settings);
  if (!replaced) options.emotion.path = settings.emotion_audio;
  options.max_prompt_seconds = static_cast<double>(settings.max_prompt_ns) / GST_SECOND;
  return options;
}

Utterance make_utterance(const Settings& settings, std::string text, bool from_pad) {
  Utterance utterance;
  utterance.from_pad = from_pad;
  if (!from_pad) utterance.queue_mode = settings.queue_mode;
  utterance.language = settings.language;
  utterance.loudness_target = settings.loudness_target;
  utterance.max_true_peak = settings.max_true_peak;
  utterance.gap_samples = samples_in(settings.segment_gap_ns);
  utterance.voice = voice_options(settings);
  utterance.options.generation = settings.generation;
  utterance.options.seed = settings.seed >= 0 ? settings.seed : draw_seed();
  utterance.options.first_segment_tokens = static_cast<int>(settings.first_segment_tokens);
  utterance.options.glossary_path = settings.glossary;
  utterance.options.priority = settings.priority;
  // C strings in text buffers often carry their terminator; inside a text it is as good as a space.
  std::replace(text.begin(), text.end(), '\0', ' ');
  try {
    utterance.options.emotion = emotion_options(settings);
    check_utf8("The text", text);
    check_utf8("emotion-text", settings.emotion_text);
  } catch (const Error& error) {
    utterance.error = error;
    utterance.error->text_id = 1;  // marks it as the error of one text
  }
  utterance.text = std::move(text);
  return utterance;
}

uint64_t samples_in(guint64 nanoseconds) {
  return gst_util_uint64_scale_round(nanoseconds, kSampleRateHz, GST_SECOND);
}

}  // namespace indextts2
