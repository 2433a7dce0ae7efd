// IndexTTS2 speech engine: text in, ordered speech out, on any number of CPU or CUDA replicas.
//
// The only public header. It uses std types only; the library behind it is opened with dlopen and reached through
// indextts2_engine_factory(). Everything reports failure by throwing indextts2::Error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace indextts2 {

inline constexpr int kEngineAbi = 7;            // raised when anything in this header changes
inline constexpr int kSampleRateHz = 22050;     // of every Wave
inline constexpr double kMaxPromptSeconds = 15.0;

enum class Schedule { kRoundRobin, kLeastWork };
enum class Precision { kAuto, kFp32, kTf32, kFp16, kBf16 };
enum class Kernels { kAuto, kLibTorch };
enum class LogLevel { kError, kWarning, kInfo, kDebug };

// What a long operation is doing.
struct Progress {
  std::string what;         // "load", "warmup" or "voice"
  std::string detail;       // file or device
  uint64_t done = 0;        // bytes (load), replicas (warmup), steps (voice)
  uint64_t total = 0;
};

// A device of an engine that came or went.
struct DeviceEvent {
  enum class Kind { kLost, kLoaded, kUnloaded };
  Kind kind = Kind::kLost;
  std::string device;       // "cuda:0"
  std::string message;      // kLost: why
  std::string detail;       // of the library that failed, for the log
  int left = 0;             // replicas that take segments now
};

struct EngineOptions {
  std::string model_dir;                       // folder in the layout of the official release
  std::string data_dir;                        // text normalisation grammars; empty: found beside the library
  // "cuda:0", "cuda:*", "cpu", "cpu:3" (3 replicas), a GPU's name or a part of it, "auto"; "@fp16" behind one: its precision
  std::vector<std::string> devices = {"auto"};
  int replicas_per_device = 1;                 // 1..8
  int max_batch = 1;                           // segments decoded together by one replica; one more that is waited for
  Precision precision = Precision::kAuto;      // auto = fp32
  Kernels kernels = Kernels::kAuto;            // auto = the device's own; kLibTorch: to compare with
  int threads = 0;                             // CPU threads of one replica; 0: all cores
  bool warmup = true;                          // one dummy segment per replica while opening
  bool share_pool = true;                      // share weights and replicas with other engines of the process
  double stall_seconds = 120;                  // a replica with work and without progress for so long is lost; 0: never
  std::string inject_faults;                   // for tests: "cuda:0:throw@5;cpu:stall@2", see docs/scaling.md; empty: none
  std::string trace_path;                      // Chrome trace of all segments; empty: $INDEXTTS2_TRACE, if set; docs/scaling.md
  std::function<void(LogLevel, const std::string&)> log;   // called from any thread
  std::function<void(const DeviceEvent&)> device_event;    // called from any thread, and shortly after the engine has gone
  std::function<void(const Progress&)> progress;           // called from the opening thread only
  std::function<bool()> stop;                  // polled while opening; true: open_engine throws kCancelled
};

// A clip: a file (WAV, FLAC, OGG, MP3), or samples when `samples` is not empty.
struct Clip {
  std::string path;
  std::vector<float> samples;                  // mono, [-1, 1]
  int sample_rate_hz = 0;                      // of `samples`
};

struct VoiceOptions {
  Clip speaker;                                // empty: the first file by name in prompts/ of the model folder
  Clip emotion;                                // empty: the speaker clip serves
  double max_prompt_seconds = kMaxPromptSeconds;  // longest part of each clip that is used, 1..15
  std::function<bool()> stop;                  // true: load_voice throws kCancelled
  std::function<void(const Progress&)> progress;
};

// A voice ready to speak with. Immutable; share it freely between sessions and threads.
class Voice {
 public:
  virtual ~Voice() = default;
  virtual double prompt_seconds() const = 0;   // part of the speaker clip that is used
};

// Values that were not set come from the model's own `generation` section, else the official default (in brackets).
struct GenerationOptions {
  std::optional<double> temperature;           // [0.8]
  std::optional<double> top_p;                 // [0.8]
  std::optional<int> top_k;                    // [30] 0: off
  std::optional<int> num_beams;                // [3] 1..10
  std::optional<double> repetition_penalty;    // [10]
  std::optional<double> length_penalty;        // [0]
  std::optional<bool> typical_sampling;        // [false]
  std::optional<double> typical_mass;          // [0.9]
  std::optional<int> max_mel_tokens;           // [1500] codes per segment; lowered to what the model can hold
  std::optional<int> max_segment_tokens;       // [120] text tokens per segment; lowered to what the model can hold
  std::optional<int> diffusion_steps;          // [25]
  std::optional<double> guidance;              // [0.7]
};

struct EmotionOptions {
  // happy, angry, sad, afraid, disgusted, melancholic, surprised, calm; unset: the voice's own emotion clip
  std::optional<std::array<double, 8>> vector;
  // A description of the emotion, or a sentence that has it, from which the model's qwen0.6bemo4-merge/ reads the vector, in
  // place of `vector`; empty: not. Loaded for the first text that asks; the vector of a text is kept for others that ask alike.
  // Error{kNotFound} at the text's place without that folder.
  std::string text;
  bool from_text = false;                      // the same with the spoken text itself, where `text` is empty
  double alpha = 1.0;                          // strength of the emotion clip or of the vector
  bool random = false;                         // draw the rows of each emotion group from the seed
};

// Everything that may differ between two texts of a session, except the voice.
struct SpeakOptions {
  GenerationOptions generation;
  EmotionOptions emotion;
  int64_t seed = -1;                           // < 0: drawn by push
  int first_segment_tokens = 0;                // > 0: cut the first segment short, for early sound
  int first_segment = 0;                       // segments before it are skipped; indices and seeds stay
  std::string glossary_path;                   // YAML file of terms; empty: glossary.yaml of the model folder, if any
  int priority = 0;                            // higher goes before, over all sessions of the process
  double not_before = 0;                       // with by_priority: seconds of std::chrono::steady_clock; no sound before then
};

// The sound of one segment.
struct Wave {
  std::vector<float> samples;                  // mono, kSampleRateHz, [-1, 1]
  uint64_t text_id = 0;
  int segment = 0;                             // index within its text
  bool last = false;                           // last segment of its text
  size_t text_begin = 0, text_end = 0;         // bytes of the text that are heard here
  bool capped = false;                         // stopped by max_mel_tokens
  std::string device;
  uint64_t seed = 0;                           // the text's; the seed that was drawn when none was given
  double synthesis_seconds = 0;                // from the start of the work on a replica to the sound
  double queue_seconds = 0;                    // waiting for a replica
};

enum class Next {
  kWave,         // *wave is the next segment in text order
  kTextEnd,      // the text wave->text_id is over; once per pushed text, also an empty, failed or cancelled one
  kIdle,         // all that was pushed is delivered, or its time has not come (only when not asked to wait)
  kEnd,          // after finish(): nothing more will come
  kInterrupted,  // interrupt() is in force; nothing is lost
};

struct SessionOptions {
  // Texts are delivered by SpeakOptions::priority, equal ones as they were pushed, each once its not_before has come. A
  // higher one interrupts at a segment, and the other goes on at its next segment. To go on at one that was delivered
  // already: cancel the text and push it again with its seed and that segment as first_segment. false: as they were pushed.
  bool by_priority = false;
  int window = 0;                              // segments in flight or waiting; 0: 4 * replicas * max_batch + 2
  Schedule schedule = Schedule::kRoundRobin;
};

// Many texts, one order. Thread-safety: push, cancel, interrupt, resume, finish from any thread; next from one.
// Dropping a session cancels its work and does not wait for it.
class Session {
 public:
  virtual ~Session() = default;
  // Returns the text's id (1, 2, ...) at once. Errors of content come from next() at their place. Throws after finish().
  virtual uint64_t push(std::string_view text, std::shared_ptr<const Voice> voice, const SpeakOptions& options) = 0;
  virtual uint64_t push(std::string_view text, const VoiceOptions& voice, const SpeakOptions& options) = 0;
  // Blocks for the next segment in order. Throws an Error (with text_id and segment) at the place of what failed; then
  // the rest of that text is skipped, its kTextEnd follows, and the next text goes on.
  virtual Next next(Wave* wave, bool wait_when_idle) = 0;
  virtual bool cancel(uint64_t text_id) = 0;   // false: unknown or over already
  virtual void finish() = 0;                   // no more texts
  virtual void interrupt() = 0;                // next() returns kInterrupted at once, until resume()
  virtual void resume() = 0;
  virtual void set_schedule(Schedule schedule) = 0;
};

struct DeviceInfo {
  std::string id;                              // "cpu", "cuda:0"
  std::string name;                            // as the driver says it
  uint64_t total_bytes = 0, free_bytes = 0;    // memory
};

struct DeviceStats {
  std::string device;                          // one entry per replica: "cuda:0", "cpu", "cpu#1"
  uint64_t segments = 0;
  double audio_seconds = 0;
  double busy_seconds = 0;
  double rtf = 0;                              // busy / audio
  int queued = 0;                              // segments waiting or running
  bool lost = false;                           // it failed and takes no segments
  uint64_t codes = 0;                          // speech codes decoded
  double codes_per_second = 0;                 // codes / busy
  double busy_share = 0;                       // busy / time since it was loaded
  uint64_t memory_used_bytes = 0;              // of the device, by everybody; of the CPU: by this process
  uint64_t memory_idle_bytes = 0;              // of these, what LibTorch keeps for later
};

struct Stats {
  std::vector<DeviceStats> devices;
  uint64_t segments = 0;
  double audio_seconds = 0;
  double busy_seconds = 0;
  // seconds per stage over all replicas: "decode", "latent", "flow", "vocoder", "voice", ...
  std::map<std::string, double> stage_seconds;
  // By device and part ("speech networks", "decoding", ...): bytes that its memory in use grew by while the part was made.
  std::map<std::string, std::map<std::string, int64_t>> memory_parts;
};

// Facts of the loaded model.
struct ModelInfo {
  std::string model_dir;
  GenerationOptions defaults;                  // every field set: the values in force where SpeakOptions leaves one unset
  int max_mel_tokens = 0;                      // limits of the position tables
  int max_segment_tokens = 0;
  std::string default_voice;                   // path of the prompt used when none is given; empty: none
  std::vector<std::string> warnings;           // what is odd about its files, a sentence each; it speaks nevertheless
};

// How a device is loaded into an engine that is open.
struct DeviceLoadOptions {
  std::function<bool()> stop;                  // true: kCancelled
  std::function<void(const Progress&)> progress;
};

// Thread-safety: safe. A session keeps its engine's replicas alive.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::shared_ptr<const Voice> load_voice(const VoiceOptions& options) = 0;  // cached by content
  virtual std::unique_ptr<Session> open_session(const SessionOptions& options) = 0;
  // Adds the devices that `word` means, a lost one again, while the others speak; blocks for seconds. All engines that
  // share the replicas get them. Throws Error: kUnknownDevice, kSettings (loaded already), kDeviceLost (it hangs, or cannot
  // be used before the process restarts), kNoMemory, ...
  virtual void load_device(const std::string& word, const DeviceLoadOptions& options) = 0;
  // Takes a device out once the segments that it has in work are finished; those that wait go to others. Blocks until then.
  // Throws Error: kUnknownDevice (not loaded), kSettings (the last one).
  virtual void unload_device(const std::string& id) = 0;
  virtual Stats stats() const = 0;
  virtual ModelInfo model() const = 0;
};

// Thread-safety: safe.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  virtual std::string version() const = 0;
  // The devices that open_engine could use. Needs no model.
  virtual std::vector<DeviceInfo> list_devices() const = 0;
  // Throws Error{kSettings, kUnknownDevice, kLibraryInit} when `devices` cannot be opened here; loads nothing.
  virtual void check_devices(const std::vector<std::string>& devices) const = 0;
  // Loads the model: seconds. Stops within 200 ms once options.stop returns true.
  virtual std::shared_ptr<Engine> open_engine(const EngineOptions& options) const = 0;
};

}  // namespace indextts2

// The one symbol of the library. nullptr: the library speaks another kEngineAbi.
extern "C" __attribute__((visibility("default"))) const indextts2::EngineFactory* indextts2_engine_factory(int abi);
