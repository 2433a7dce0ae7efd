// Texts in, one gapless stream of samples out: the element's work without GStreamer.
//
// Note [Threads of a stream]: pull() runs on the streaming thread. Texts come from the sink pad's
// thread and from whoever sets properties; each of them hands waiting texts to the session itself
// (push_texts), so that all devices have work while the streaming thread waits for one segment. One
// thread at a time does that, in script order. No engine call is made with the mutex held.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine_load.h"
#include "script.h"
#include "timeline.h"

namespace indextts2 {

inline constexpr uint64_t kNoSample = UINT64_MAX;

// Something to tell the application, in the order in which it happened.
struct Notice {
  enum class Kind { kWarning, kProgress, kDuration };
  Kind kind = Kind::kWarning;
  std::optional<Error> error;    // kWarning
  Progress progress;             // kProgress
  uint64_t samples = kNoSample;  // kDuration: of the whole stream; kNoSample: unknown again
};

struct StreamStats {
  uint64_t samples = 0;  // handed out
  uint64_t texts_accepted = 0, texts_spoken = 0;
  size_t waiting_texts = 0, waiting_bytes = 0;
  double first_audio_seconds = -1;  // from start() to the first sound; < 0: none yet
  std::map<std::string, double> device_first_seconds;  // the same, per replica
  std::shared_ptr<const Engine> engine;                // null: not loaded
};

// Thread-safety: safe; pull, seek, start and stop from one thread at a time.
class SpeechStream {
 public:
  enum class Pull { kAudio, kNotices, kEnd, kFlushing };
  enum class Accepted { kYes, kFull, kFlushing, kEnded, kNotStarted };

  SpeechStream();

  // Starts loading, or with `preload` false leaves that until a text is to be spoken. An engine
  // that was loaded before with equal options is used again, unless it has no device left.
  void start(const EngineFactory& factory, const EngineOptions& engine, const VoiceOptions& voice,
             const SessionOptions& session, bool preload);
  // Cancels load and speech, forgets texts and sound, refuses texts. Waits for nothing.
  void stop();
  void forget_engine();

  // Takes a text. When `max_text_bytes` are waiting: waits for space, or without `may_wait` answers
  // kFull.
  Accepted accept(Utterance utterance, bool may_wait);
  void set_max_text_bytes(size_t bytes);  // 0: no limit
  void set_skip_errors(bool skip);        // a text's error becomes a notice
  void set_schedule(Schedule schedule);

  // The sink pad: while it is open the stream waits for more text; while it is linked nothing is
  // kept for seeking.
  void set_pad(bool linked, bool ended);
  void set_pad_flushing(bool flushing);  // a waiting accept of a pad text returns
  void cancel_pad_texts();
  void drain();   // no more texts; the end comes after those accepted
  void end();     // the stream is over: texts are refused
  void reopen();  // texts are welcome again after drain() or the end
  bool seekable() const;

  // The next piece of at most `limit` samples. Throws Error{kInternal, kModel, ...}, or what a
  // text's error is.
  Pull pull(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices);
  // pull returns kFlushing, until unlock_stop(), which never runs beside pull(). One thread at a
  // time: else an interrupt could reach the session after the resume that follows it.
  void unlock();
  void unlock_stop();
  // The next piece starts at sample `position`; the stream ends before `stop`.
  void seek(uint64_t position, uint64_t stop);
  uint64_t position() const;
  StreamStats stats() const;
  std::shared_ptr<Engine> engine() const;  // null: not loaded

 private:
  enum class Need { kLoad, kSession, kText, kWave };

  static double now_seconds();
  std::optional<Pull> serve(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices, Need* need);
  bool tell_unspeakable(std::vector<Notice>* notices);
  void tell_duration(std::vector<Notice>* notices);
  bool input_open() const { return pad_linked_ && !pad_ended_ && !draining_; }
  void forget_history();
  void await_load(std::vector<Notice>* notices);
  void open_session();
  void push_texts();
  void take_wave(std::vector<Notice>* notices);
  void settle_head(std::unique_lock<std::mutex>* lock, std::vector<Notice>* notices);
  void add_wave(Wave wave, std::vector<Notice>* notices);
  void end_text(std::vector<Notice>* notices);
  void handle_error(const Error& error, std::vector<Notice>* notices);
  bool waits_for_space(size_t bytes) const;
  // True: its text is above the limit; it has become an error.
  bool refuse_too_long(Utterance* utterance) const;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable texts_changed_, space_changed_;
  std::function<std::shared_ptr<EngineLoad>()> begin_load_;
  std::shared_ptr<EngineLoad> load_;     // null: not begun
  std::shared_ptr<Engine> engine_;       // in use; null: loading or stopped
  std::shared_ptr<Engine> kept_engine_;  // survives stop()
  std::string kept_key_;                 // options of kept_engine_
  SessionOptions session_options_;
  std::shared_ptr<Session> session_;
  uint64_t session_number_ = 0;  // changes with session_
  Script script_;
  Timeline timeline_;
  size_t feed_ = 0;        // record that the session's next wave fills
  int first_segment_ = 0;  // of the text that the session starts with
  uint64_t cursor_ = 0, stop_ = kNoSample;
  size_t max_text_bytes_ = 0;
  bool started_ = false, unlocked_ = false, ended_ = false, draining_ = false, pushing_ = false;
  bool pad_linked_ = false, pad_ended_ = false, pad_flushing_ = false, skip_errors_ = false;
  bool history_complete_ = true;  // every record since sample 0 is there
  uint64_t told_duration_ = kNoSample;
  size_t told_texts_ = 0;  // script size that told_duration_ is for
  double start_seconds_ = 0;
  StreamStats stats_;
};

}  // namespace indextts2
