// Life cycle of a stream and its text side; speech_pull.cpp has the sound side.
#include "speech_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace indextts2 {
namespace {

constexpr uint64_t kKeptSeconds = 600;  // of sound, for seeking back without speaking again

// Equal for options that open the same engine.
std::string key_of(const EngineOptions& options) {
  std::string key = options.model_dir + '\n';
  for (const std::string& device : options.devices) key += device + ',';
  for (int value : {options.replicas_per_device, static_cast<int>(options.precision),
                    options.threads, static_cast<int>(options.share_pool)}) {
    key += '\n' + std::to_string(value);
  }
  return key;
}

// Such an engine speaks no more; another one may find its devices again.
bool has_no_device(const std::shared_ptr<Engine>& engine) {
  if (!engine) return false;
  const std::vector<DeviceStats> devices = engine->stats().devices;
  return std::all_of(devices.begin(), devices.end(),
                     [](const DeviceStats& device) { return device.lost; });
}

}  // namespace

SpeechStream::SpeechStream() : timeline_(kKeptSeconds * kSampleRateHz) {}

double SpeechStream::now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void SpeechStream::start(const EngineFactory& factory, const EngineOptions& engine,
                         const VoiceOptions& voice, const SessionOptions& session, bool preload) {
  std::shared_ptr<Engine> loaded, outdated;
  const bool spent = has_no_device(this->engine());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (kept_key_ != key_of(engine) || spent) outdated.swap(kept_engine_);
    kept_key_ = key_of(engine);
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
  cursor_ = 0;
  stop_ = kNoSample;
  told_duration_ = kNoSample;
  start_seconds_ = now_seconds();
  stats_ = StreamStats();
}

void SpeechStream::stop() {
  std::shared_ptr<EngineLoad> load;
  std::shared_ptr<Session> session;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    started_ = false;
    load = std::move(load_);
    begin_load_ = nullptr;
    session = std::move(session_);
    load_.reset();
    engine_.reset();
    session_.reset();
    ++session_number_;
    script_.clear();
    timeline_.restart(0);
    feed_ = timeline_.size();
    first_segment_ = 0;
    texts_changed_.notify_all();
    space_changed_.notify_all();
  }
  if (load) load->cancel();
}

void SpeechStream::forget_engine() {
  std::shared_ptr<Engine> engine;  // dropped after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  engine.swap(kept_engine_);
}

bool SpeechStream::waits_for_space(size_t bytes) const {
  return max_text_bytes_ > 0 && bytes > 0 && script_.waiting_bytes() + bytes > max_text_bytes_;
}

bool SpeechStream::refuse_too_long(Utterance* utterance) const {
  const size_t bytes = utterance->text.size();
  if (max_text_bytes_ == 0 || bytes <= max_text_bytes_) return false;
  utterance->error =
      Error(ErrorCode::kTextTooLong,
            "A text of " + std::to_string(bytes) + " bytes is above the limit max-text-bytes=" +
                std::to_string(max_text_bytes_) + "; raise it or cut the text.");
  utterance->text.clear();
  return true;
}

SpeechStream::Accepted SpeechStream::accept(Utterance utterance, bool may_wait) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    auto refusal = [&]() -> std::optional<Accepted> {
      if (!started_) return Accepted::kNotStarted;
      if (utterance.from_pad && pad_flushing_) return Accepted::kFlushing;
      if (draining_ || ended_) return Accepted::kEnded;
      return std::nullopt;
    };
    // The limit may be lowered meanwhile: for a text above it there would never be space.
    while (!refusal() && !refuse_too_long(&utterance) && waits_for_space(utterance.text.size())) {
      if (!may_wait) return Accepted::kFull;
      space_changed_.wait(lock);
    }
    if (auto refused = refusal()) return *refused;
    script_.add(std::move(utterance));
    ++stats_.texts_accepted;
    texts_changed_.notify_all();
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

void SpeechStream::set_max_text_bytes(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  max_text_bytes_ = bytes;
  space_changed_.notify_all();
}

void SpeechStream::set_skip_errors(bool skip) {
  std::lock_guard<std::mutex> lock(mutex_);
  skip_errors_ = skip;
}

void SpeechStream::set_schedule(Schedule schedule) {
  std::shared_ptr<Session> session;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session_options_.schedule = schedule;
    session = session_;
  }
  if (session) session->set_schedule(schedule);
}

void SpeechStream::set_pad(bool linked, bool ended) {
  std::lock_guard<std::mutex> lock(mutex_);
  pad_linked_ = linked;
  pad_ended_ = ended;
  texts_changed_.notify_all();
}

void SpeechStream::set_pad_flushing(bool flushing) {
  std::lock_guard<std::mutex> lock(mutex_);
  pad_flushing_ = flushing;
  space_changed_.notify_all();
}

void SpeechStream::cancel_pad_texts() {
  std::shared_ptr<Session> session;
  std::vector<uint64_t> ids;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session = session_;
    for (size_t number = script_.first(); number < script_.size(); ++number) {
      ScriptText& text = script_.at(number);
      if (!text.utterance->from_pad) continue;
      text.cancelled = true;
      script_.release(number);
      if (number >= script_.next_end && text.session_id != 0) ids.push_back(text.session_id);
    }
    // What is left of the record being played goes too, if it is the pad's.
    size_t playing = timeline_.find(cursor_);
    if (playing < timeline_.size() && script_.at(timeline_.at(playing).text).cancelled) {
      timeline_.restart(cursor_);
      feed_ = timeline_.size();
      history_complete_ = false;
    }
    space_changed_.notify_all();
    texts_changed_.notify_all();
  }
  for (uint64_t id : ids) session->cancel(id);
}

void SpeechStream::drain() {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = true;
  texts_changed_.notify_all();
  space_changed_.notify_all();
}

void SpeechStream::end() {
  std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  space_changed_.notify_all();
}

void SpeechStream::reopen() {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = ended_ = false;
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
  stats.waiting_bytes = script_.waiting_bytes();
  stats.engine = engine_ ? engine_ : kept_engine_;
  return stats;
}

std::shared_ptr<Engine> SpeechStream::engine() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return engine_ ? engine_ : kept_engine_;
}

}  // namespace indextts2
