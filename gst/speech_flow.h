// What the element needs of whoever turns texts into a stream of samples: SpeechStream (as fast as
// downstream takes it, seekable) or LiveStream (paced by the clock, with a queue of priorities).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "settings.h"
#include "timeline.h"
#include "utterance_events.h"

namespace indextts2 {

inline constexpr uint64_t kNoSample = UINT64_MAX;

// One segment of a finished stream.
struct Chapter {
  std::string text;
  uint64_t begin = 0, end = 0;  // samples
};

// Something to tell the application, in the order in which it happened.
struct Notice {
  enum class Kind { kWarning, kError, kProgress, kLoaded, kDuration, kEvent };
  Kind kind = Kind::kWarning;
  std::optional<Error> error;     // kWarning, kError; kLoaded: of the voice, to be told later
  Progress progress;              // kProgress
  uint64_t samples = kNoSample;   // kDuration: of the whole stream; kNoSample: unknown again
  std::vector<Chapter> chapters;  // kDuration, when it is known: all that is spoken
  UtteranceEvent event;           // kEvent
};

struct StreamStats {
  uint64_t samples = 0;  // handed out
  uint64_t texts_accepted = 0, texts_spoken = 0;
  uint64_t texts_dropped = 0, texts_cancelled = 0;
  size_t waiting_texts = 0, waiting_bytes = 0;
  int blocked = 0;            // threads that wait for space for a text
  uint64_t late_buffers = 0;  // of which downstream said so
  uint64_t late_jumps = 0;    // live: the streaming thread came too late and went on at the clock
  uint64_t current = 0;       // id of the text that sounds; 0: none
  bool started = false, loading = false, ended = false;
  double first_audio_seconds = -1;  // from start() to the first sound; < 0: none yet
  std::map<std::string, double> device_first_seconds;  // the same, per replica
  std::shared_ptr<const Engine> engine;                // null: not loaded
};

// Values that count at once.
struct FlowSettings {
  size_t max_text_bytes = 0;  // 0: no limit
  size_t max_utterances = 0;  // that wait or sound; 0: no limit
  bool skip_errors = false;   // a text's error becomes a notice
  bool keep_alive = false;    // no text is no end
  uint64_t lead_samples = 0;
  uint64_t fade_samples = 0;
  std::optional<uint64_t> max_late_samples;
  Schedule schedule = Schedule::kRoundRobin;
};
FlowSettings flow_settings(const Settings& settings);

// Thread-safety: safe; pull, seek, start and stop from one thread at a time. Notices that a call
// appends are for the caller to post, with no lock held.
class SpeechFlow {
 public:
  enum class Pull {
    kAudio,
    kIdle,     // live: *chunk is silence because nobody speaks
    kNotices,  // call again
    kEnd,
    kFlushing
  };
  enum class Accepted { kYes, kFull, kFlushing, kEnded, kNotStarted };

  virtual ~SpeechFlow() = default;

  // Starts loading, or with `preload` false leaves that until a text is to be spoken. An engine
  // that was loaded before with equal options is used again, unless it has no device left.
  virtual void start(const EngineFactory& factory, const EngineOptions& engine,
                     const VoiceOptions& voice, const SessionOptions& session, bool preload) = 0;
  // Cancels load and speech, forgets texts and sound, refuses texts.
  virtual void stop(std::vector<Notice>* notices) = 0;
  // An engine that somebody else has loaded, for the next start(); `key`: engine_key() of it.
  virtual void lend(std::shared_ptr<Engine> engine, const std::string& key) = 0;
  virtual void forget_engine() = 0;
  virtual void configure(const FlowSettings& settings) = 0;

  // Takes a text and numbers it. When the limits are reached: waits for space, or without
  // `may_wait` answers kFull.
  virtual Accepted accept(Utterance utterance, bool may_wait, uint64_t* id,
                          std::vector<Notice>* notices) = 0;
  // Gives up one text, fading it out where it sounds. False: unknown or over.
  virtual bool cancel(uint64_t id, std::vector<Notice>* notices) = 0;
  virtual size_t cancel_all(bool include_current, std::vector<Notice>* notices) = 0;

  // The sink pad: while it is open the stream waits for more text; while it is linked nothing is
  // kept for seeking.
  virtual void set_pad(bool linked, bool ended) = 0;
  virtual void set_pad_flushing(bool flushing) = 0;  // a waiting accept of a pad text returns
  virtual void cancel_pad_texts(std::vector<Notice>* notices) = 0;
  // No text of the pad begins before sample `until` of the running time, after those accepted.
  virtual void pass_time(uint64_t until) = 0;
  virtual void drain() = 0;  // no more texts; the end comes after those accepted
  virtual void end() = 0;    // the stream is over: texts are refused
  // Texts are welcome again after drain() or the end. `restarts`: running time 0 is here.
  virtual void reopen(bool restarts) = 0;

  // pull returns kFlushing, until unlock_stop(), which never runs beside pull(). One thread at a
  // time: else an interrupt could reach the session after the resume that follows it.
  virtual void unlock() = 0;
  virtual void unlock_stop() = 0;
  virtual StreamStats stats() const = 0;
  virtual std::shared_ptr<Engine> engine() const = 0;  // null: not loaded
};

// Equal for options that open the same engine.
std::string engine_key(const EngineOptions& options);

// Such an engine speaks no more; another one may find its devices again. Null: false.
bool has_no_device(const std::shared_ptr<Engine>& engine);

// True: its text is above `most` bytes (0: no limit); it has become an error.
bool refuse_too_long(size_t most, Utterance* utterance);

// Accepts the utterances of one text without waiting: all of them, or none. *id: the first one's.
SpeechFlow::Accepted accept_all(SpeechFlow* flow, std::vector<Utterance> parts, uint64_t* id,
                                std::vector<Notice>* notices);

// The warning about a segment that was cut at max-mel-tokens.
Error capped_error(uint64_t id, int segment);

double now_seconds();

}  // namespace indextts2
