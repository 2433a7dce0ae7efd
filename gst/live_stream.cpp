// Life cycle of a live stream and its text side; live_worker.cpp fetches the sound, live_pull.cpp
// gives it out.
#include "live_stream.h"

#include <algorithm>
#include <utility>

namespace indextts2 {

LiveStream::LiveStream(std::function<void(std::vector<Notice>)> post) : post_(std::move(post)) {}

LiveStream::~LiveStream() {
  std::vector<Notice> nobody_hears;
  stop(&nobody_hears);
}

void LiveStream::start(const EngineFactory& factory, const EngineOptions& engine,
                       const VoiceOptions& voice, const SessionOptions& session, bool preload) {
  const bool spent = has_no_device(this->engine());
  std::shared_ptr<Engine> outdated;  // goes after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  if (kept_key_ != engine_key(engine) || spent) outdated.swap(kept_engine_);
  kept_key_ = engine_key(engine);
  started_ = true;
  stopping_ = ended_ = draining_ = false;
  waits_for_text_ = !preload;
  error_.reset();
  cursor_ = previous_end_ = 0;
  start_seconds_ = now_seconds();
  stats_ = StreamStats();
  worker_ = std::thread([this, &factory, engine, voice, session, preload] {
    work(&factory, engine, voice, session, preload);
  });
}

// The worker is back within milliseconds: load and session are told to let it go.
void LiveStream::stop(std::vector<Notice>* notices) {
  std::shared_ptr<EngineLoad> load;
  std::shared_ptr<Session> session;
  std::thread worker;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    started_ = false;
    stopping_ = true;
    announcer_.drop_all("shutdown", cursor_, notices);
    queue_.clear();
    current_ = upcoming_ = nullptr;
    fading_ = false;
    offset_ = gap_ = fade_left_ = 0;
    load = std::move(load_);
    session = session_;
    worker = std::move(worker_);
    load_ = nullptr;
    changed_.notify_all();
    space_changed_.notify_all();
  }
  if (load) load->cancel();
  if (session) session->interrupt();
  if (worker.joinable()) worker.join();
  std::deque<std::pair<uint64_t, SharedText>> pushed;
  std::lock_guard<std::mutex> lock(mutex_);
  if (load_) load_->cancel();
  load_ = nullptr;
  pushed.swap(pushed_);
  session_ = nullptr;
  engine_ = nullptr;
}

void LiveStream::lend(std::shared_ptr<Engine> engine, const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  kept_engine_.swap(engine);  // the other one goes after the lock
  kept_key_ = key;
}

void LiveStream::forget_engine() {
  std::shared_ptr<Engine> engine;  // dropped after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  engine.swap(kept_engine_);
}

// Makes the worker look at the queue again.
void LiveStream::wake() {
  std::shared_ptr<Session> session;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session = session_;
    changed_.notify_all();
  }
  if (session) session->interrupt();
}

void LiveStream::configure(const FlowSettings& settings) {
  std::shared_ptr<Session> session;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    settings_ = settings;
    session = session_;
    space_changed_.notify_all();
  }
  if (session) session->set_schedule(settings.schedule);
}

bool LiveStream::has_space(size_t bytes) const {
  if (settings_.max_utterances > 0 && queue_.size() >= settings_.max_utterances) return false;
  return settings_.max_text_bytes == 0 || bytes == 0 ||
         queue_.bytes() + bytes <= settings_.max_text_bytes;
}

LiveStream::Accepted LiveStream::accept(Utterance utterance, bool may_wait, uint64_t* id,
                                        std::vector<Notice>* notices) {
  if (utterance.queue_mode != QueueMode::kAppend) {
    cancel_all(utterance.queue_mode == QueueMode::kInterrupt, notices);
  }
  {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (!started_ || error_) return Accepted::kNotStarted;
      if (utterance.from_pad && pad_flushing_) return Accepted::kFlushing;
      if (draining_ || ended_) return Accepted::kEnded;
      if (refuse_too_long(settings_.max_text_bytes, &utterance)) break;
      if (has_space(utterance.text.size())) break;
      if (!may_wait) return Accepted::kFull;
      ++blocked_;
      space_changed_.wait(lock);
      --blocked_;
    }
    auto text = std::make_shared<LiveText>();
    text->id = *id = ++last_id_;
    text->accepted_at = cursor_;
    text->utterance = std::make_shared<const Utterance>(std::move(utterance));
    announcer_.queued(text->id, text->utterance, notices);
    queue_.add(std::move(text));
    ++stats_.texts_accepted;
  }
  wake();
  return Accepted::kYes;
}

bool LiveStream::cancel(uint64_t id, std::vector<Notice>* notices) {
  if (id == 0) return false;  // what a refused speak has answered
  auto wanted = [id](const LiveText& text) {
    return text.id == id || text.utterance->first_id == id;
  };
  return cancel_texts(wanted, "cancelled", notices) > 0;
}

size_t LiveStream::cancel_all(bool include_current, std::vector<Notice>* notices) {
  return cancel_texts(
      [&](const LiveText& text) { return include_current || !current_ || current_->id != text.id; },
      "cancelled", notices);
}

void LiveStream::cancel_pad_texts(std::vector<Notice>* notices) {
  cancel_texts([](const LiveText& text) { return text.utterance->from_pad; }, "flush", notices);
}

size_t LiveStream::cancel_texts(const std::function<bool(const LiveText&)>& wanted,
                                const char* reason, std::vector<Notice>* notices) {
  std::shared_ptr<Session> session;
  std::vector<uint64_t> ids;
  size_t count = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session = session_;
    const bool flush = std::string(reason) == "flush";
    std::vector<SharedText> chosen;
    for (const auto& [key, text] : queue_.all()) {
      if (announcer_.is_open(text->id) && wanted(*text)) chosen.push_back(text);
    }
    for (const SharedText& text : chosen) {
      if (text == current_ && fading_ && fade_reason_) continue;  // on its way out
      ++count;
      if (text->session_id != 0) ids.push_back(text->session_id);
      text->session_id = 0;
      text->complete = true;
      if (text == current_ && !flush) {
        // Its end is told when it has faded.
        text->segments.resize(std::min<size_t>(text->segments.size(), 1));
        stop_current(reason);
        continue;
      }
      if (flush) {
        announcer_.drop(text->id, reason, cursor_, notices);
        ++stats_.texts_dropped;
      } else {
        announcer_.end(text->id, reason, cursor_, notices);
        ++stats_.texts_cancelled;
      }
      if (text == upcoming_) upcoming_ = nullptr;
      if (text == current_) {
        current_ = nullptr;
        fading_ = false;
        offset_ = gap_ = 0;
        previous_end_ = cursor_;
      }
      queue_.remove(text->id);
    }
    space_changed_.notify_all();
  }
  for (uint64_t id : ids) session->cancel(id);
  if (count > 0) wake();
  return count;
}

void LiveStream::set_pad(bool, bool) {}  // live streams end by EOS from the application only

void LiveStream::set_pad_flushing(bool flushing) {
  std::lock_guard<std::mutex> lock(mutex_);
  pad_flushing_ = flushing;
  space_changed_.notify_all();
}

void LiveStream::drain() {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = true;
  space_changed_.notify_all();
}

void LiveStream::end() {
  std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  space_changed_.notify_all();
}

void LiveStream::reopen(bool) {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = ended_ = false;
}

void LiveStream::unlock() {
  std::lock_guard<std::mutex> lock(mutex_);
  unlocked_ = true;
}

void LiveStream::unlock_stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  unlocked_ = false;
}

std::shared_ptr<Engine> LiveStream::engine() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return engine_ ? engine_ : kept_engine_;
}

StreamStats LiveStream::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  StreamStats stats = stats_;
  stats.waiting_texts = queue_.size();
  stats.waiting_bytes = queue_.bytes();
  stats.current = current_ ? current_->id : 0;
  stats.loading = started_ && !engine_ && !error_ && !waits_for_text_;
  stats.blocked = blocked_;
  stats.started = started_;
  stats.ended = ended_;
  stats.engine = engine_ ? engine_ : kept_engine_;
  return stats;
}

}  // namespace indextts2
