// Texts in, one gapless stream of samples out: the element's work without GStreamer.
//
// Note [Threads of a stream]: pull() runs on the streaming thread. Texts come from the sink pad's
// thread and from whoever sets properties; each of them hands waiting texts to the session itself
// (push_texts), so that all devices have work while the streaming thread waits for one segment. One
// thread at a time does that, in script order. No engine call is made with the mutex held.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cue_fitter.h"
#include "engine_load.h"
#include "script.h"
#include "speech_flow.h"
#include "timeline.h"

namespace indextts2 {

// Thread-safety: safe; pull, seek, start and stop from one thread at a time.
class SpeechStream : public SpeechFlow {
 public:
  SpeechStream();

  void start(const EngineFactory& factory, const EngineOptions& engine, const VoiceOptions& voice,
             const SessionOptions& session, bool preload) override;
  void stop(std::vector<Notice>* notices) override;
  void lend(std::shared_ptr<Engine> engine, const std::string& key) override;
  void forget_engine() override;
  void configure(const FlowSettings& settings) override;

  Accepted accept(Utterance utterance, bool may_wait, uint64_t* id,
                  std::vector<Notice>* notices) override;
  bool cancel(uint64_t id, std::vector<Notice>* notices) override;
  size_t cancel_all(bool include_current, std::vector<Notice>* notices) override;

  void set_pad(bool linked, bool ended) override;
  void set_pad_flushing(bool flushing) override;
  void cancel_pad_texts(std::vector<Notice>* notices) override;
  void pass_time(uint64_t until) override;
  void drain() override;
  void end() override;
  void reopen(bool restarts) override;
  bool seekable() const;

  // The next piece of at most `limit` samples; what *notices tells comes before it. Throws
  // Error{kInternal, kModel, ...}, or what a text's error is.
  Pull pull(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices);
  void unlock() override;
  void unlock_stop() override;
  // The next piece starts at sample `position`; the stream ends before `stop`.
  void seek(uint64_t position, uint64_t stop);
  uint64_t position() const;
  StreamStats stats() const override;
  std::shared_ptr<Engine> engine() const override;

 private:
  enum class Need { kLoad, kSession, kText, kWave };

  std::optional<Pull> serve(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices, Need* need);
  bool tell_unspeakable(std::vector<Notice>* notices);
  void tell_duration(std::vector<Notice>* notices);
  bool input_open() const {
    return !draining_ && (settings_.keep_alive || (pad_linked_ && !pad_ended_));
  }
  using Wanted = std::function<bool(size_t number, const ScriptText& text)>;
  size_t cancel_texts(const Wanted& wanted, const char* reason, std::vector<Notice>* notices);
  void cut_silence();
  void cut_playing(uint64_t fade);
  void forget_history();
  void await_load(std::vector<Notice>* notices);
  void open_session();
  void push_texts();
  void take_wave(std::vector<Notice>* notices);
  bool lay_out_cue(size_t number);
  bool time_has_passed() const;
  void add_silence();
  void append_pieces(size_t number, CuePieces pieces);
  void settle_head(std::unique_lock<std::mutex>* lock, std::vector<Notice>* notices);
  void add_wave(Wave wave, std::vector<Notice>* notices);
  void end_text(std::vector<Notice>* notices);
  void handle_error(const Error& error, std::vector<Notice>* notices);
  bool waits_for_space(size_t bytes) const;
  void wake_pull();

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
  CuePieces cue_;          // of the text at next_end, which is a cue
  CueMixer cue_mixer_;     // of cues that may overlap
  size_t mixed_text_ = 0;  // the last of them
  struct PassedTime {
    size_t texts;    // after so many
    uint64_t until;  // sample of the running time
  };
  std::deque<PassedTime> passed_;
  uint64_t running_zero_ = 0;  // sample at running time 0
  FlowSettings settings_;
  Announcer announcer_;
  bool started_ = false, unlocked_ = false, ended_ = false, draining_ = false, pushing_ = false;
  bool pad_linked_ = false, pad_ended_ = false, pad_flushing_ = false;
  bool history_complete_ = true;  // every record since sample 0 is there
  uint64_t told_duration_ = kNoSample;
  size_t told_texts_ = 0;  // script size that told_duration_ is for
  int blocked_ = 0;        // threads in accept()
  double start_seconds_ = 0;
  StreamStats stats_;
};

}  // namespace indextts2
