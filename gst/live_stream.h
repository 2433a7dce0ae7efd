// Texts into a running programme: speech from "now" on, silence where there is none.
//
// Note [Live threads]: the streaming thread takes sound from here at the pace of the clock and
// waits for nobody else. A worker thread loads the engine and fetches the sound from the session;
// it hears of news through the session's interrupt(). Texts come from any thread. No engine call
// and no notice is made with the mutex held.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine_load.h"
#include "live_queue.h"
#include "speech_flow.h"

namespace indextts2 {

// Note [Live time]: positions are samples since running time 0. A text starts at the latest of: now
// + lead-time, the end of the one before it + segment-gap, its not-before time; from there on
// samples are counted. One that is interrupted goes on later at the start of its segment.
class LiveStream : public SpeechFlow {
 public:
  // `post`: takes what the worker thread has to tell; called on it. Must not call stop().
  explicit LiveStream(std::function<void(std::vector<Notice>)> post);
  ~LiveStream() override;

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
  void pass_time(uint64_t) override {}  // it passes by itself
  void drain() override;
  void end() override;
  void reopen(bool restarts) override;
  void unlock() override;
  void unlock_stop() override;
  StreamStats stats() const override;
  std::shared_ptr<Engine> engine() const override;

  uint64_t position() const;
  // The next piece starts at `sample`: the clock has gone on, or was set back.
  void move_to(uint64_t sample, std::vector<Notice>* notices);
  // The next piece of at most `limit` samples, never waiting. Throws what made the stream fail.
  Pull pull(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices);

 private:
  // The worker's (live_worker.cpp).
  struct Plan {
    std::vector<uint64_t> cancels;  // ids of the session
    std::vector<SharedText> pushes;
    bool take = false;
  };
  void work(const EngineFactory* factory, EngineOptions engine, VoiceOptions voice,
            SessionOptions options, bool preload);
  bool await_text();
  bool load(const EngineFactory& factory, const EngineOptions& engine, const VoiceOptions& voice);
  void speak(const SessionOptions& options);
  bool plan(Plan* plan);
  void abandon_pushed(Plan* plan);
  void push(const Plan& plan, Session* session);
  void take(Session* session, std::vector<Notice>* notices);
  void add_wave(Wave wave, std::vector<Notice>* notices);
  void fail(const Error& error, std::vector<Notice>* notices);
  void end_text(uint64_t session_id);
  void wake();

  // The streaming thread's (live_pull.cpp), with the mutex.
  void drop_late(std::vector<Notice>* notices);
  void finish_silent(std::vector<Notice>* notices);
  void choose(uint64_t limit, std::vector<Notice>* notices);
  void announce(const SharedText& text, uint64_t at, std::vector<Notice>* notices);
  void finish_current(std::vector<Notice>* notices);
  void stop_current(const char* reason);
  void end_fade(std::vector<Notice>* notices);
  void give_silence(uint64_t count, Chunk* chunk);
  void give_sound(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices);

  bool has_space(size_t bytes) const;
  size_t cancel_texts(const std::function<bool(const LiveText&)>& wanted, const char* reason,
                      std::vector<Notice>* notices);

  const std::function<void(std::vector<Notice>)> post_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_, space_changed_;
  std::thread worker_;
  std::shared_ptr<EngineLoad> load_;
  std::shared_ptr<Engine> engine_, kept_engine_;
  std::string kept_key_;
  std::shared_ptr<Session> session_;
  std::deque<std::pair<uint64_t, SharedText>> pushed_;  // by id of the session, end not told
  std::optional<Error> error_;
  LiveQueue queue_;
  Announcer announcer_;
  FlowSettings settings_;
  uint64_t last_id_ = 0;
  uint64_t cursor_ = 0;        // next sample
  SharedText current_;         // sounds, or waits for its next segment
  uint64_t offset_ = 0;        // in its first segment
  uint64_t gap_ = 0;           // silence left before that
  SharedText upcoming_;        // announced
  uint64_t upcoming_at_ = 0;   // its first sample
  uint64_t previous_end_ = 0;  // end of the last sound and of the gap behind it
  bool fading_ = false;        // current_ is being stopped
  uint64_t fade_length_ = 0, fade_left_ = 0;
  const char* fade_reason_ = nullptr;  // null: it goes on later
  bool started_ = false, unlocked_ = false, ended_ = false, draining_ = false, stopping_ = false;
  bool pad_flushing_ = false;
  bool waits_for_text_ = false;  // before loading
  int blocked_ = 0;              // threads in accept()
  double start_seconds_ = 0;
  StreamStats stats_;
};

}  // namespace indextts2
