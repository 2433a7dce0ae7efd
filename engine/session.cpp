// Delivery: hands segments over while the window has room and gives their sound out in order.
#include "session.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "pool/reaper.h"
#include "session/session_state.h"
#include "session/text_worker.h"

namespace indextts2 {
namespace {

class SpeechSession : public Session {
 public:
  SpeechSession(SessionBackend backend, const SessionOptions& options)
      : backend_(std::make_shared<const SessionBackend>(std::move(backend))),
        state_(std::make_shared<SessionState>()),
        worker_(std::make_shared<TextWorker>(state_, backend_)) {
    window_ = options.window;
    state_->window = current_window();
    state_->schedule = options.schedule;
    state_->by_priority = options.by_priority;
    reaper::enroll(worker_);
    try {
      worker_->start();
    } catch (...) {
      reaper::bury(worker_.get());
      throw;
    }
  }

  ~SpeechSession() override {
    worker_->close_callbacks();
    // The reaper's references are the last ones: what the worker holds is freed on its thread.
    const TextWorker* const worker = worker_.get();
    worker_ = nullptr;
    backend_ = nullptr;
    reaper::bury(worker);
  }

  uint64_t push(std::string_view text, std::shared_ptr<const Voice> voice,
                const SpeakOptions& options) override {
    auto pushed = new_text(text, options);
    pushed->voice = std::move(voice);
    return enqueue(std::move(pushed));
  }
  uint64_t push(std::string_view text, const VoiceOptions& voice,
                const SpeakOptions& options) override {
    auto pushed = new_text(text, options);
    pushed->voice_options = voice;
    return enqueue(std::move(pushed));
  }

  Next next(Wave* wave, bool wait_when_idle) override {
    std::shared_ptr<Text> ended;  // freed without the lock
    const int window = current_window();
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->window = window;
    for (;;) {
      if (state_->interrupted) return Next::kInterrupted;
      const double now = now_seconds();
      const std::shared_ptr<Text> head = state_->head(now);
      if (head && head->spoken()) {
        ended = head;
        end_text(*ended, wave);
        return Next::kTextEnd;
      }
      if (submit_one(&lock)) continue;
      if (head && head->slots.head_ready()) {
        deliver(*head, wave);
        return Next::kWave;
      }
      if (state_->texts.empty() && state_->finished) return Next::kEnd;
      if (!head && !wait_when_idle) return Next::kIdle;
      state_->wait_until_due(&state_->delivery, &lock, now, [&] { return can_go_on(); });
    }
  }

  bool cancel(uint64_t text_id) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    const auto at = std::lower_bound(state_->texts.begin(), state_->texts.end(), text_id,
                                     [](const auto& text, uint64_t id) { return text->id < id; });
    if (at == state_->texts.end() || (*at)->id != text_id || (*at)->over) return false;
    state_->abandon(**at);
    return true;
  }

  void finish() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->finished = true;
    state_->delivery.notify_all();
  }
  void interrupt() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->interrupted = true;
    state_->delivery.notify_all();
  }
  void resume() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->interrupted = false;
  }
  void set_schedule(Schedule schedule) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->schedule = schedule;
  }

 private:
  static uint64_t next_number() {
    static std::atomic<uint64_t> count{0};
    return ++count;
  }
  int current_window() const { return std::max(1, window_ > 0 ? window_ : backend_->window()); }

  std::shared_ptr<Text> new_text(std::string_view text, const SpeakOptions& options) {
    auto made = std::make_shared<Text>();
    made->bytes = std::string(text);
    made->options = std::make_shared<const SpeakOptions>(options);
    if (state_->by_priority) {
      made->priority = options.priority;
      made->not_before = options.not_before;
    }
    // 63 bits, so that a drawn seed can be given back as SpeakOptions::seed.
    made->seed = options.seed >= 0 ? static_cast<uint64_t>(options.seed)
                                   : backend_->draw_seed() & uint64_t{INT64_MAX};
    return made;
  }

  uint64_t enqueue(std::shared_ptr<Text> text) {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->finished) {
      throw Error(ErrorCode::kSettings, "session: push() after finish(); open another session");
    }
    text->id = ++state_->last_id;
    state_->texts.push_back(text);
    state_->unread.push_back(std::move(text));
    state_->delivery.notify_all();
    state_->reading.notify_all();
    return state_->last_id;
  }

  // Under the mutex. The text whose next segment may be handed over now; null: none. *in_flight:
  // its segments and those of the texts before it that are.
  std::shared_ptr<Text> next_to_submit(int* in_flight) const {
    if (state_->by_priority) return first_found(state_->ordered(now_seconds()), in_flight);
    return state_->in_flight < state_->window ? first_found(state_->texts, in_flight) : nullptr;
  }
  template <typename Texts>
  std::shared_ptr<Text> first_found(const Texts& texts, int* in_flight) const {
    *in_flight = 0;
    for (const auto& text : texts) {
      if (text->over) continue;
      *in_flight += static_cast<int>(text->slots.size());
      if (*in_flight >= state_->window) return nullptr;
      if (!text->found.empty()) return text;
      if (!text->all_found) return nullptr;  // later ones have to wait for it
    }
    return nullptr;
  }

  // Under the mutex. next() has something to do.
  bool can_go_on() const {
    if (state_->interrupted) return true;
    if (state_->texts.empty()) return state_->finished;
    const std::shared_ptr<Text> head = state_->head(now_seconds());
    if (head && (head->spoken() || head->slots.head_ready())) return true;
    int in_flight = 0;
    return next_to_submit(&in_flight) != nullptr;
  }

  // Hands one segment over, without the lock meanwhile; false: there is none, or no room.
  bool submit_one(std::unique_lock<std::mutex>* lock) {
    int before = 0;
    const std::shared_ptr<Text> text = next_to_submit(&before);
    if (!text) return false;
    Found found = std::move(text->found.front());
    text->found.pop_front();
    --state_->num_found;
    state_->reading.notify_all();
    ++state_->in_flight;
    const uint64_t slot = text->slots.reserve();
    if (auto* error = std::get_if<std::exception_ptr>(&found)) {
      text->slots.fail(slot, std::move(*error));
      return true;
    }
    SpeechRequest request = make_request(*text, std::get<Segment>(std::move(found)));
    request.first = !std::exchange(text->sounded, true) && before == 0;
    lock->unlock();
    const SpeechDone done = make_done(request, text, slot);
    try {
      backend_->submit(std::move(request), done);
    } catch (...) {
      done(Wave(), std::current_exception());
    }
    lock->lock();
    return true;
  }

  // Under the mutex.
  SpeechRequest make_request(Text& text, Segment segment) const {
    SpeechRequest request;
    request.segment = std::move(segment);
    request.voice = text.voice;
    request.options = text.options;
    request.text_id = text.id;
    request.session = number_;
    request.seed = text.seed;
    request.schedule = state_->schedule;
    request.stop = text.stop.token();
    return request;
  }

  // Holds the state and not the backend: a job must not keep the replicas alive that it waits for.
  SpeechDone make_done(const SpeechRequest& request, std::shared_ptr<Text> text, uint64_t slot) {
    Wave facts;
    facts.text_id = request.text_id;
    facts.seed = request.seed;
    facts.segment = request.segment.index;
    facts.last = request.segment.last;
    facts.text_begin = request.segment.begin;
    facts.text_end = request.segment.end;
    return [state = state_, text = std::move(text), slot, facts, since = now_seconds()](
               Wave wave, std::exception_ptr error) {
      // While the process exits the replicas are stopped under our feet; nobody is told any more.
      if (reaper::exiting()) return;
      if (error) {
        const Error place = located_error(error, facts.text_id, facts.segment);
        error = std::make_exception_ptr(place);
      } else {
        wave.text_id = facts.text_id;
        wave.seed = facts.seed;
        wave.segment = facts.segment;
        wave.last = facts.last;
        wave.text_begin = facts.text_begin;
        wave.text_end = facts.text_end;
        wave.queue_seconds = std::max(0.0, now_seconds() - since - wave.synthesis_seconds);
      }
      std::lock_guard<std::mutex> lock(state->mutex);
      // A slot of a cancelled text is gone: nothing happens.
      if (error) {
        text->slots.fail(slot, std::move(error));
      } else {
        text->slots.fill(slot, std::move(wave));
      }
      state->delivery.notify_all();
    };
  }

  // Under the mutex.
  void end_text(const Text& text, Wave* wave) {
    auto& texts = state_->texts;
    texts.erase(std::find_if(texts.begin(), texts.end(),
                             [&](const auto& one) { return one.get() == &text; }));
    *wave = Wave();
    wave->text_id = text.id;
    wave->seed = text.seed;
  }

  // Under the mutex. Takes the ready head slot.
  void deliver(Text& text, Wave* wave) {
    --state_->in_flight;
    try {
      *wave = text.slots.take();
    } catch (...) {
      state_->abandon(text);
      throw;
    }
  }

  std::shared_ptr<const SessionBackend> backend_;
  const std::shared_ptr<SessionState> state_;
  std::shared_ptr<TextWorker> worker_;
  const uint64_t number_ = next_number();  // among all sessions
  int window_ = 0;                         // 0: the backend's
};

}  // namespace

std::unique_ptr<Session> open_session(SessionBackend backend, const SessionOptions& options) {
  return std::make_unique<SpeechSession>(std::move(backend), options);
}

}  // namespace indextts2
