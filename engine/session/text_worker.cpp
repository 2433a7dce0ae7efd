// Reading ahead: one segment at a time, bounded by the window.
#include "session/text_worker.h"

#include <mutex>
#include <new>
#include <utility>

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
      failed(std::current_exception(), num_read_ == 0 ? -1 : num_read_);
    }
  }
  reader_ = nullptr;
  text_ = nullptr;
}

// Sets text_ to the text to read on; false: the session is gone.
bool TextWorker::wait_for_work() {
  std::unique_lock<std::mutex> lock(state_->mutex);
  auto& unread = state_->unread;
  for (;;) {
    while (!unread.empty() && unread.front()->read()) unread.pop_front();
    if (state_->closed) return false;
    if (text_ && (unread.empty() || unread.front() != text_)) {
      // Through with it: an idle session holds no voice and no text. Freed without the lock.
      lock.unlock();
      reader_ = nullptr;
      text_ = nullptr;
      lock.lock();
      continue;
    }
    if (!unread.empty() && state_->num_found < state_->window) {
      text_ = unread.front();
      return true;
    }
    state_->reading.wait(lock, [&] {
      return state_->closed ||
             (!unread.empty() && (unread.front()->read() || state_->num_found < state_->window));
    });
  }
}

void TextWorker::read_one() {
  const StopToken stop = text_->stop.token();
  if (!reader_) {
    num_read_ = 0;
    if (text_->voice_options && !load_voice()) return;
    if (!text_->voice) {
      throw Error(ErrorCode::kSettings, "session: the text was pushed without a voice");
    }
    reader_ = backend_->open_reader(std::move(text_->bytes), *text_->options);
  }
  Segment segment;
  do {
    stop.check();
    if (!reader_->next(&segment, stop)) return found(std::nullopt);
    ++num_read_;
  } while (segment.index < text_->options->first_segment);
  found(std::move(segment));
}

// False: the text is over, or the session.
bool TextWorker::load_voice() {
  try {
    text_->voice = backend_->load_voice(CallbackGate::guard(*text_->voice_options, gate_),
                                        text_->stop.token());
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
