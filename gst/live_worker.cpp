// The worker thread of a live stream: loads the engine and keeps enough sound at hand.
#include <algorithm>
#include <utility>

#include "errors.h"
#include "live_stream.h"

namespace indextts2 {
namespace {

constexpr uint64_t kAheadSamples = 20 * kSampleRateHz;  // of one text, before it is heard
constexpr size_t kPushedTexts = 8;                      // at once in the session

}  // namespace

void LiveStream::work(const EngineFactory* factory, EngineOptions engine, VoiceOptions voice,
                      SessionOptions options, bool preload) {
  try {
    if (!preload && !await_text()) return;
    if (load(*factory, engine, voice)) speak(options);
    return;
  } catch (...) {
    Notice failed;
    failed.kind = Notice::Kind::kError;
    failed.error = current_error();
    if (failed.error->code == ErrorCode::kCancelled) return;
    // First the message: what the base class says of the stream that ends comes after it.
    post_({failed});
    std::lock_guard<std::mutex> lock(mutex_);
    error_ = failed.error;
    space_changed_.notify_all();
  }
}

// False: stopped meanwhile.
bool LiveStream::await_text() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || queue_.size() > 0; });
  waits_for_text_ = false;
  return !stopping_;
}

// False: stopped meanwhile.
bool LiveStream::load(const EngineFactory& factory, const EngineOptions& options,
                      const VoiceOptions& voice) {
  std::shared_ptr<EngineLoad> load;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    load = load_ = EngineLoad::begin(factory, options, voice, kept_engine_);
  }
  for (;;) {
    std::vector<Progress> steps;
    const EngineLoad::Step step = load->wait(&steps);
    std::vector<Notice> notices;
    for (Progress& done : steps) {
      Notice notice;
      notice.kind = Notice::Kind::kProgress;
      notice.progress = std::move(done);
      notices.push_back(std::move(notice));
    }
    if (step == EngineLoad::Step::kInterrupted) return false;
    if (step == EngineLoad::Step::kDone) break;
    post_(std::move(notices));
  }
  std::shared_ptr<Engine> engine = load->engine();
  std::vector<Notice> notices;
  for (const std::string& warning : engine->model().warnings) {
    Notice notice;
    notice.error = Error(ErrorCode::kModel, warning);
    notices.push_back(std::move(notice));
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    if (engine == kept_engine_) notices.clear();  // told before
    engine_ = kept_engine_ = std::move(engine);
  }
  Notice done;
  done.kind = Notice::Kind::kLoaded;
  done.error = load->voice_error();
  notices.insert(notices.begin(), done);
  post_(std::move(notices));
  return true;
}

void LiveStream::speak(const SessionOptions& options) {
  std::shared_ptr<Engine> engine;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    engine = engine_;
  }
  std::shared_ptr<Session> session = engine->open_session(options);
  engine = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session_ = session;
  }
  for (;;) {
    Plan next;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || plan(&next); });
      if (stopping_) return;
    }
    for (uint64_t id : next.cancels) session->cancel(id);
    push(next, session.get());
    if (!next.take) continue;
    std::vector<Notice> notices;
    try {
      take(session.get(), &notices);
    } catch (...) {
      post_(std::move(notices));
      throw;
    }
    if (!notices.empty()) post_(std::move(notices));
  }
}

// What there is to do; false: nothing. Changes nothing then.
bool LiveStream::plan(Plan* plan) {
  const SharedText best = queue_.first_unspoken(cursor_, kAheadSamples);
  SharedText head;  // of the session, not given up
  for (const auto& [id, text] : pushed_) {
    if (text->session_id != id) continue;
    head = text;
    break;
  }
  const bool full = head && !head->complete && head->samples() >= kAheadSamples;
  if (head && best && best != head &&
      (full || best->utterance->options.priority > head->utterance->options.priority)) {
    abandon_pushed(plan);
    head = nullptr;
  }
  if (best && best->session_id == 0) {
    size_t room = kPushedTexts - std::min(kPushedTexts, pushed_.size());
    if (!head) room = std::max<size_t>(room, 1);
    for (const auto& [key, text] : queue_.all()) {
      if (plan->pushes.size() >= room) break;
      if (text->session_id != 0 || text->complete || text->utterance->error) continue;
      if (text != best && text->utterance->not_before > cursor_) continue;
      plan->pushes.push_back(text);
    }
    // Only a text whose time has not come is left.
    if (plan->pushes.empty() && room > 0) plan->pushes.push_back(best);
  }
  plan->take = !plan->pushes.empty() || (!pushed_.empty() && !(head && full));
  return plan->take || !plan->cancels.empty();
}

// Takes the texts out of the session that are not complete; they keep what they have.
void LiveStream::abandon_pushed(Plan* plan) {
  for (const auto& [id, text] : pushed_) {
    if (text->session_id != id) continue;
    text->session_id = 0;
    plan->cancels.push_back(id);
  }
}

void LiveStream::push(const Plan& plan, Session* session) {
  for (const SharedText& text : plan.pushes) {
    SpeakOptions options = text->utterance->options;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      options.first_segment = text->next_segment;
      if (text->complete) continue;  // cancelled meanwhile
    }
    const uint64_t id = session->push(text->utterance->text, text->utterance->voice, options);
    bool given_up;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      given_up = text->complete;
      if (!given_up) text->session_id = id;
      pushed_.emplace_back(id, text);
    }
    if (given_up) session->cancel(id);
  }
}

void LiveStream::take(Session* session, std::vector<Notice>* notices) {
  Wave wave;
  Next next;
  try {
    next = session->next(&wave, /*wait_when_idle=*/false);
  } catch (const Error& error) {
    fail(error, notices);
    return;
  }
  switch (next) {
    case Next::kWave:
      add_wave(std::move(wave), notices);
      break;
    case Next::kTextEnd:
      end_text(wave.text_id);
      break;
    case Next::kInterrupted:
      session->resume();
      break;
    case Next::kIdle:
    case Next::kEnd: {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!pushed_.empty()) throw Error(ErrorCode::kInternal, "The speech engine lost a text.");
      break;
    }
  }
}

void LiveStream::add_wave(Wave wave, std::vector<Notice>* notices) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [id, text] : pushed_) {
    if (id != wave.text_id || text->session_id != id) continue;
    stats_.device_first_seconds.emplace(wave.device, now_seconds() - start_seconds_);
    if (wave.capped) {
      Notice notice;
      notice.error = capped_error(text->id, wave.segment);
      notices->push_back(std::move(notice));
    }
    LiveSegment segment;
    segment.info = take_segment(&wave, text->id, *text->utterance, &text->loudness);
    text->next_segment = wave.segment + 1;
    text->complete = wave.last;
    if (wave.samples.empty()) return;
    segment.samples = std::make_shared<const std::vector<float>>(std::move(wave.samples));
    text->segments.push_back(std::move(segment));
    return;
  }
}

void LiveStream::end_text(uint64_t session_id) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto at = pushed_.begin(); at != pushed_.end(); ++at) {
    if (at->first != session_id) continue;
    if (at->second->session_id == session_id) {
      at->second->complete = true;
      at->second->session_id = 0;
    }
    pushed_.erase(at);
    return;
  }
}

// An error of one text is told once; others end the stream.
void LiveStream::fail(const Error& error, std::vector<Notice>* notices) {
  if (error.code == ErrorCode::kCancelled) return;
  if (!is_content_error(error)) throw error;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [id, text] : pushed_) {
    if (id != error.text_id || text->session_id != id) continue;
    Error told = error;
    told.text_id = text->id;
    text->failed = true;
    if (!settings_.skip_errors) {
      announcer_.end(text->id, "error", cursor_, notices);
      throw told;
    }
    Notice notice;
    notice.error = std::move(told);
    notices->push_back(std::move(notice));
    return;
  }
}

}  // namespace indextts2
