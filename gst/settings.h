// The element's properties as one plain struct, and what the engine is given of them.
#pragma once

#include <glib.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {

enum class OnError { kFail, kSkip };
enum class IdleMode { kAuto, kBlock, kGap, kSilence };
enum class Timing { kAuto, kCue, kAsap };
enum class Overflow { kClip, kOverlap, kShift, kCompress };
enum class QueueMode { kAppend, kReplacePending, kInterrupt };

// Copied under the element's settings mutex, then used; a default here is the default of the
// property.
struct Settings {
  // The model: read when the element goes to PAUSED.
  std::string model_path;        // empty: the bundled voice
  std::string devices = "auto";  // comma-separated
  Schedule schedule = Schedule::kRoundRobin;
  guint threads = 0;  // of one replica; 0: all cores
  guint replicas_per_device = 1;
  Precision precision = Precision::kAuto;
  guint prefetch = 0;  // segments; 0: 4 * replicas * batch + 2
  gboolean warmup = TRUE;
  gboolean preload = TRUE;
  gboolean share_pool = TRUE;

  // The text.
  std::optional<std::string> text;
  std::optional<std::string> location;  // path or file:// URI
  guint max_text_bytes = 1 << 20;       // 0: no limit
  guint max_utterances = 256;           // 0: no limit
  gboolean use_markup = FALSE;
  OnError on_error = OnError::kFail;
  QueueMode queue_mode = QueueMode::kAppend;

  // Time.
  gboolean is_live = FALSE;
  gboolean keep_alive = FALSE;
  IdleMode idle_mode = IdleMode::kAuto;
  Timing timing = Timing::kAuto;
  Overflow overflow = Overflow::kShift;
  guint64 latency_ns = 0;
  guint64 lead_time_ns = 0;
  gint64 max_lateness_ns = -1;
  guint64 fade_out_ns = 10000000;
  gboolean post_messages = TRUE;

  // How a text is spoken: copied for each text when it is accepted.
  std::string voice;  // path, or a name of `voices`; empty: the model's first prompt
  std::map<std::string, std::string> voices;  // name to path
  guint64 max_prompt_ns = 15000000000;
  std::string emotion_audio;
  std::string emotion_text;  // goes before emotion_from_text, that before the vector and the clip
  gboolean emotion_from_text = FALSE;
  double emotion_alpha = 1.0;
  gboolean emotion_random = FALSE;
  std::vector<double> emotion_vector;  // 0 or 8 values
  std::string language;                // BCP-47, for tags
  gint64 seed = -1;                    // < 0: drawn for each text
  GenerationOptions generation;        // unset: the model's own value
  std::string glossary;
  gint priority = 0;
  guint first_segment_tokens = 0;
  guint64 segment_gap_ns = 200000000;
  double loudness_target = 0;  // LUFS; 0: as the model speaks
  double max_true_peak = -1;   // dBTP, with loudness_target

  // The audio buffers.
  guint64 buffer_duration_ns = 20000000;  // 0: one buffer per segment
};

// The time that a text has in the stream, in samples.
struct Cue {
  uint64_t start = 0;
  uint64_t length = 0;  // 0: not known
  Overflow overflow = Overflow::kShift;
};

// A place in a text that the application wants to hear of.
struct Mark {
  size_t offset = 0;  // bytes
  std::string name;
};

// One text, with the values that were in force when it was accepted.
struct Utterance {
  std::string text;
  VoiceOptions voice;
  SpeakOptions options;      // options.seed >= 0, so that the text can be spoken again alike
  uint64_t gap_samples = 0;  // silence before each segment, except at the start of the stream
  double loudness_target = 0, max_true_peak = -1;  // as in Settings
  std::string language;                            // BCP-47; empty: not known
  bool from_pad = false;
  std::optional<guint64> text_time;  // timestamp of its buffer, as upstream gave it
  guint64 text_duration = G_MAXUINT64;
  // Of texts with markup, which are several utterances in a row.
  uint64_t first_id = 0;       // of the row's first one; 0: it is itself the first
  uint64_t break_samples = 0;  // silence before it
  std::vector<Mark> marks;
  std::optional<Cue> cue;  // without live mode; there its start is not_before
  // In live mode, where a higher options.priority also interrupts.
  QueueMode queue_mode = QueueMode::kAppend;
  uint64_t not_before = 0;      // sample of the stream
  std::optional<uint64_t> ttl;  // samples from acceptance or not_before on
  bool resume = true;           // after an interruption; else it is given up
  std::string user_data;        // given back in its messages
  std::optional<Error> error;   // it cannot be spoken: told when its turn comes
};

// The file of the voice that is set.
const std::string& voice_path(const Settings& settings);

// The first voice and model of `settings` as the engine takes them. Throws Error{kSettings}.
EngineOptions engine_options(const Settings& settings, const std::string& model_dir);
// Without the emotion clip where words or a vector go before it.
VoiceOptions voice_options(const Settings& settings);

// Snapshot for one text. Bad settings and bad UTF-8 are kept as the utterance's error.
Utterance make_utterance(const Settings& settings, std::string text, bool from_pad);

// "cuda:0, cpu" -> {"cuda:0", "cpu"}. Throws Error{kSettings} when nothing is named.
std::vector<std::string> parse_devices(const std::string& devices);

// Samples in a time, rounded to the nearest.
uint64_t samples_in(guint64 nanoseconds);

}  // namespace indextts2
