// Reading ahead: one segment at a time, bounded by the window.
#include "session/text_worker.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/clock.h"

namespace indextts2 {

Error located_error(const std::exception_ptr& thrown, uint64_t text_id, int segment) {
  Error error(ErrorCode::kInternal, "unexpected failure: an exception of unknown type");
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& known) {
    error = known;
  } catch (const std::bad_alloc& full) {
    error = Error(ErrorCode::kNoMemory,
                  "out of memory; use fewer replicas, a smaller batch or shorter segments",
                  full.what());
  } catch (const std::exception& other) {
    error = Error(ErrorCode::kInternal, std::string("unexpected failure: ") + other.what());
  } catch (...) {
  }
  error.text_id = text_id;
  if (error.segment < 0) error.segment = segment;
  return error;
}

namespace {

bool is_cancelled(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error.code == ErrorCode::kCancelled;
  } catch (...) {
    return false;
  }
}

}  // namespace

// The one lock that is held during callbacks: the session's owner may free what they use once
// close() has returned. Recursive, because a callback may drop the session.
class CallbackGate {
 public:
  void close() {
    std::lock_guard<std::recursive_mutex> lock(mutex_);
    open_ = false;
  }
  // The user's callbacks, behind the gate.
  static VoiceOptions guard(VoiceOptions options, const std::shared_ptr<CallbackGate>& gate) {
    if (options.stop) {
      options.stop = [gate, user = std::move(options.stop)] {
        std::lock_guard<std::recursive_mutex> lock(gate->mutex_);
        return !gate->open_ || user();
      };
    }
    if (options.progress) {
      options.progress = [gate, user = std::move(options.progress)](const Progress& progress) {
        std::lock_guard<std::recursive_mutex> lock(gate->mutex_);
        if (gate->open_) user(progress);
      };
    }
    return options;
  }

 private:
  std::recursive_mutex mutex_;  // guards open_
  bool open_ = true;
};

TextWorker::TextWorker(std::shared_ptr<SessionState> state,
                       std::shared_ptr<const SessionBackend> backend)
    : state_(std::move(state)),
      backend_(std::move(backend)),
      gate_(std::make_shared<CallbackGate>()) {}

TextWorker::~TextWorker() = default;

void TextWorker::start() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  thread_ = reaper::start([this] { run(); });
}

void TextWorker::stop() noexcept {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->closed = true;
  for (const auto& text : state_->texts) text->stop.request_stop();
  state_->reading.notify_all();
}

void TextWorker::join() noexcept {
  std::thread thread;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void TextWorker::close_callbacks() noexcept { gate_->close(); }

void TextWorker::run() {
  while (wait_for_work()) {
    try {
      read_one();
    } catch (...) {
      failed(std::current_exception(), text_->num_read == 0 ? -1 : text_->num_read);
    }
  }
  text_ = nullptr;
  std::deque<std::shared_ptr<Text>> unread;  // goes without the lock, on this thread
  std::lock_guard<std::mutex> lock(state_->mutex);
  unread.swap(state_->unread);
}

// Under the mutex. The text to read on; null: none, or enough of it and of those before it is
// found.
std::shared_ptr<Text> TextWorker::to_read(double now) const {
  if (!state_->by_priority) {
    const bool room = !state_->unread.empty() && state_->num_found < state_->window;
    return room ? state_->unread.front() : nullptr;
  }
  int found = 0;
  for (const auto& text : state_->ordered(now)) {
    found += static_cast<int>(text->found.size());
    if (found >= state_->window) return nullptr;
    if (!text->read()) return text;
  }
  return nullptr;
}

// Under the mutex. There are texts that the worker is through with.
bool TextWorker::has_read() const {
  const auto& unread = state_->unread;
  if (!state_->by_priority) return !unread.empty() && unread.front()->read();
  return std::any_of(unread.begin(), unread.end(), [](const auto& text) { return text->read(); });
}

// An idle session holds no voice and no text: what the worker is through with goes without the
// lock.
void TextWorker::forget_read(std::unique_lock<std::mutex>* lock) {
  auto& unread = state_->unread;
  std::vector<std::shared_ptr<Text>> read;
  if (state_->by_priority) {
    const auto first = std::stable_partition(unread.begin(), unread.end(),
                                             [](const auto& text) { return !text->read(); });
    std::move(first, unread.end(), std::back_inserter(read));
    unread.erase(first, unread.end());
  } else {
    while (!unread.empty() && unread.front()->read()) {
      read.push_back(std::move(unread.front()));
      unread.pop_front();
    }
  }
  lock->unlock();
  for (const auto& text : read) text->reader = nullptr;
  read.clear();
  text_ = nullptr;
  lock->lock();
}

// Sets text_ to the text to read on; false: the session is gone.
bool TextWorker::wait_for_work() {
  std::unique_lock<std::mutex> lock(state_->mutex);
  for (;;) {
    if (state_->closed) return false;
    if (has_read()) {
      forget_read(&lock);
      continue;
    }
    const double now = now_seconds();
    if (auto text = to_read(now)) {
      text_ = std::move(text);
      return true;
    }
    state_->wait_until_due(&state_->reading, &lock, now, [&] {
      return state_->closed || has_read() || to_read(now_seconds()) != nullptr;
    });
  }
}

void TextWorker::read_one() {
  const StopToken stop = text_->stop.token();
  if (!text_->reader) {
    if (text_->voice_options && !load_voice()) return;
    if (!text_->voice) {
      throw Error(ErrorCode::kSettings, "session: the text was pushed without a voice");
    }
    read_emotion();
    text_->reader = backend_->open_reader(std::move(text_->bytes), *text_->options);
  }
  Segment segment;
  do {
    stop.check();
    if (!text_->reader->next(&segment, stop)) return found(std::nullopt);
    ++text_->num_read;
  } while (segment.index < text_->options->first_segment);
  found(std::move(segment));
}

// False: the text is over, or the session.
bool TextWorker::load_voice() {
  try {
    text_->voice = backend_->load_voice(CallbackGate::guard(*text_->voice_options, gate_),
                                        *text_->options, text_->stop.token());
    return true;
  } catch (...) {
    if (!is_cancelled(std::current_exception())) throw;
    if (text_->stop.stop_requested()) return false;
    // The stop of the voice options: the user's way to give the text up.
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (!text_->over) state_->abandon(*text_);
    return false;
  }
}

// An emotion that is told by words becomes a vector in the text's options.
void TextWorker::read_emotion() {
  const EmotionOptions& emotion = text_->options->emotion;
  const bool own = emotion.text.empty() && emotion.from_text &&
                   text_->bytes.find_first_not_of(" \t\r\n") != std::string::npos;
  if (emotion.text.empty() && !own) return;
  SpeakOptions options = *text_->options;
  options.emotion.vector =
      backend_->read_emotion(own ? text_->bytes : emotion.text, text_->stop.token());
  text_->options = std::make_shared<const SpeakOptions>(std::move(options));
}

// `item`: nothing when the text has no more segments.
void TextWorker::found(std::optional<Found> item) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (text_->over) return;
  if (!item || std::holds_alternative<std::exception_ptr>(*item)) text_->all_found = true;
  if (item) {
    text_->found.push_back(std::move(*item));
    ++state_->num_found;
  }
  state_->delivery.notify_all();
}

void TextWorker::failed(const std::exception_ptr& thrown, int segment) {
  // Cancelled on our own wish: found() would ignore it, too, but building an Error may fail for
  // lack of memory.
  if (text_->stop.stop_requested()) return;
  found(std::make_exception_ptr(located_error(thrown, text_->id, segment)));
}

}  // namespace indextts2
