// Life cycle of a stream and its text side; speech_pull.cpp has the sound side.
#include "speech_stream.h"

#include <utility>

namespace indextts2 {
namespace {

constexpr uint64_t kKeptSeconds = 600;  // of sound, for seeking back without speaking again

}  // namespace

SpeechStream::SpeechStream() : timeline_(kKeptSeconds * kSampleRateHz) {}

void SpeechStream::start(const EngineFactory& factory, const EngineOptions& engine,
                         const VoiceOptions& voice, const SessionOptions& session, bool preload) {
  std::shared_ptr<Engine> loaded, outdated;
  const bool spent = has_no_device(this->engine());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (kept_key_ != engine_key(engine) || spent) outdated.swap(kept_engine_);
    kept_key_ = engine_key(engine);
    loaded = kept_engine_;
    engine_.reset();
  }
  outdated.reset();
  auto begin = [&factory, engine, voice, loaded = std::move(loaded)] {
    return EngineLoad::begin(factory, engine, voice, loaded);
  };
  auto load = preload ? begin() : nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  begin_load_ = std::move(begin);
  load_ = std::move(load);
  session_options_ = session;
  started_ = true;
  ended_ = draining_ = pad_ended_ = false;
  history_complete_ = true;
  cursor_ = running_zero_ = 0;
  stop_ = kNoSample;
  told_duration_ = kNoSample;
  start_seconds_ = now_seconds();
  stats_ = StreamStats();
}

void SpeechStream::stop(std::vector<Notice>* notices) {
  std::shared_ptr<EngineLoad> load;
  std::shared_ptr<Session> session;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    started_ = false;
    announcer_.drop_all("shutdown", cursor_, notices);
    load = std::move(load_);
    begin_load_ = nullptr;
    session = std::move(session_);
    load_.reset();
    engine_.reset();
    session_.reset();
    ++session_number_;
    script_.clear();
    timeline_.restart(0);
    cue_.clear();
    cue_mixer_.reset(0);
    passed_.clear();
    feed_ = timeline_.size();
    first_segment_ = 0;
    texts_changed_.notify_all();
    space_changed_.notify_all();
  }
  if (load) load->cancel();
}

void SpeechStream::lend(std::shared_ptr<Engine> engine, const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  kept_engine_.swap(engine);  // the other one goes after the lock
  kept_key_ = key;
}

void SpeechStream::forget_engine() {
  std::shared_ptr<Engine> engine;  // dropped after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  engine.swap(kept_engine_);
}

// With the mutex. What pull() has to do may have changed, also while it waits for the engine.
void SpeechStream::wake_pull() {
  texts_changed_.notify_all();
  if (load_) load_->wake();
}

bool SpeechStream::waits_for_space(size_t bytes) const {
  const size_t most_bytes = settings_.max_text_bytes, most_texts = settings_.max_utterances;
  if (most_texts > 0 && script_.size() - script_.next_end >= most_texts) return true;
  return most_bytes > 0 && bytes > 0 && script_.waiting_bytes() + bytes > most_bytes;
}

SpeechStream::Accepted SpeechStream::accept(Utterance utterance, bool may_wait, uint64_t* id,
                                            std::vector<Notice>* notices) {
  if (utterance.queue_mode != QueueMode::kAppend) {
    cancel_all(utterance.queue_mode == QueueMode::kInterrupt, notices);
  }
  {
    std::unique_lock<std::mutex> lock(mutex_);
    auto refusal = [&]() -> std::optional<Accepted> {
      if (!started_) return Accepted::kNotStarted;
      if (utterance.from_pad && pad_flushing_) return Accepted::kFlushing;
      if (draining_ || ended_) return Accepted::kEnded;
      return std::nullopt;
    };
    // The limit may be lowered meanwhile: for a text above it there would never be space.
    while (!refusal() && !refuse_too_long(settings_.max_text_bytes, &utterance) &&
           waits_for_space(utterance.text.size())) {
      if (!may_wait) return Accepted::kFull;
      ++blocked_;
      space_changed_.wait(lock);
      --blocked_;
    }
    if (auto refused = refusal()) return *refused;
    script_.add(std::move(utterance));
    *id = script_.size();
    announcer_.queued(*id, script_.at(*id - 1).utterance, notices);
    ++stats_.texts_accepted;
    wake_pull();
  }
  push_texts();
  return Accepted::kYes;
}

void SpeechStream::push_texts() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (pushing_) return;  // that thread takes these texts too
  pushing_ = true;
  // Also when push throws.
  struct Done {
    SpeechStream* stream;
    std::unique_lock<std::mutex>* lock;
    ~Done() {
      if (!lock->owns_lock()) lock->lock();
      stream->pushing_ = false;
      stream->texts_changed_.notify_all();
    }
  } done{this, &lock};
  while (session_ && script_.next_push < script_.size()) {
    const ScriptText& text = script_.at(script_.next_push);
    if (text.cancelled || text.utterance->error) {
      ++script_.next_push;
      continue;
    }
    const uint64_t number = session_number_;
    std::shared_ptr<Session> session = session_;
    std::shared_ptr<const Utterance> utterance = text.utterance;
    SpeakOptions options = utterance->options;
    options.first_segment = std::exchange(first_segment_, 0);
    lock.unlock();
    uint64_t id = session->push(utterance->text, utterance->voice, options);
    lock.lock();
    if (number != session_number_) continue;  // another session begins at its own next_push
    ScriptText& pushed = script_.at(script_.next_push++);
    pushed.session_id = id;
    texts_changed_.notify_all();
    if (pushed.cancelled) {  // flushed meanwhile
      lock.unlock();
      session->cancel(id);
      lock.lock();
    }
  }
}

void SpeechStream::configure(const FlowSettings& settings) {
  std::shared_ptr<Session> session;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    settings_ = settings;
    if (session_options_.schedule != settings.schedule) session = session_;
    session_options_.schedule = settings.schedule;
    space_changed_.notify_all();
    wake_pull();
  }
  if (session) session->set_schedule(settings.schedule);
}

void SpeechStream::set_pad(bool linked, bool ended) {
  std::lock_guard<std::mutex> lock(mutex_);
  pad_linked_ = linked;
  pad_ended_ = ended;
  wake_pull();
}

void SpeechStream::set_pad_flushing(bool flushing) {
  std::lock_guard<std::mutex> lock(mutex_);
  pad_flushing_ = flushing;
  space_changed_.notify_all();
}

void SpeechStream::drain() {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = true;
  wake_pull();
  space_changed_.notify_all();
}

void SpeechStream::end() {
  std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  space_changed_.notify_all();
}

void SpeechStream::reopen(bool restarts) {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = ended_ = false;
  if (restarts) running_zero_ = cursor_;
}

void SpeechStream::unlock() {
  std::shared_ptr<Session> session;
  std::shared_ptr<EngineLoad> load;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    unlocked_ = true;
    session = session_;
    load = load_;
    texts_changed_.notify_all();
  }
  if (load) load->interrupt();
  if (session) session->interrupt();
}

void SpeechStream::unlock_stop() {
  std::shared_ptr<Session> session;
  std::shared_ptr<EngineLoad> load;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    unlocked_ = false;
    session = session_;
    load = load_;
  }
  if (load) load->resume();
  if (session) session->resume();
}

bool SpeechStream::seekable() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return !pad_linked_ && history_complete_;
}

uint64_t SpeechStream::position() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return cursor_;
}

void SpeechStream::seek(uint64_t position, uint64_t stop) {
  std::lock_guard<std::mutex> lock(mutex_);
  cursor_ = position;
  stop_ = stop;
  ended_ = draining_ = false;
}

StreamStats SpeechStream::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  StreamStats stats = stats_;
  stats.waiting_texts = script_.size() - script_.next_end;
  stats.current = announcer_.current();
  stats.loading = started_ && load_ && !engine_;
  stats.blocked = blocked_;
  stats.started = started_;
  stats.ended = ended_;
  stats.waiting_bytes = script_.waiting_bytes();
  stats.engine = engine_ ? engine_ : kept_engine_;
  return stats;
}

std::shared_ptr<Engine> SpeechStream::engine() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return engine_ ? engine_ : kept_engine_;
}

}  // namespace indextts2
