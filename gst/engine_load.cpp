// The loading thread, and the list of those that exit() has to stop.
#include "engine_load.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>

#include "errors.h"

namespace indextts2 {
namespace {

// Loads that still run. exit() stops them before the engine's own statics go. Never destroyed.
struct RunningLoads {
  std::mutex mutex;  // guards loads
  std::condition_variable gone;
  std::set<EngineLoad*> loads;
};

RunningLoads& running_loads() {
  static RunningLoads* const instance = new RunningLoads;
  return *instance;
}

constexpr std::chrono::seconds kExitPatience{2};
constexpr int kProgressStep = 10;  // percent between two reports

void stop_loads_at_exit() {
  RunningLoads& running = running_loads();
  std::unique_lock<std::mutex> lock(running.mutex);
  for (EngineLoad* load : running.loads) load->cancel();
  running.gone.wait_for(lock, kExitPatience, [&] { return running.loads.empty(); });
}

// A load is in the list from before its thread starts until the thread's last use of the engine.
void enlist(EngineLoad* load) {
  // Registered after the engine library was opened, so it runs before the library's own exit
  // handlers.
  static const int registered = std::atexit(stop_loads_at_exit);
  (void)registered;
  std::lock_guard<std::mutex> lock(running_loads().mutex);
  running_loads().loads.insert(load);
}

void delist(EngineLoad* load) {
  RunningLoads& running = running_loads();
  std::lock_guard<std::mutex> lock(running.mutex);
  running.loads.erase(load);
  running.gone.notify_all();
}

}  // namespace

int percent_of(const Progress& progress) {
  if (progress.total == 0) return 0;
  return static_cast<int>(100.0 * static_cast<double>(std::min(progress.done, progress.total)) /
                          static_cast<double>(progress.total));
}

std::shared_ptr<EngineLoad> EngineLoad::begin(const EngineFactory& factory, EngineOptions options,
                                              VoiceOptions voice, std::shared_ptr<Engine> engine) {
  std::shared_ptr<EngineLoad> load(new EngineLoad);
  enlist(load.get());
  try {
    std::thread([load, &factory, options = std::move(options), voice = std::move(voice),
                 engine = std::move(engine)]() mutable {
      load->run(factory, std::move(options), std::move(voice), std::move(engine));
      delist(load.get());
    }).detach();
  } catch (...) {
    delist(load.get());
    throw;
  }
  return load;
}

void EngineLoad::run(const EngineFactory& factory, EngineOptions options, VoiceOptions voice,
                     std::shared_ptr<Engine> engine) {
  auto stop = [this] {
    std::lock_guard<std::mutex> lock(mutex_);
    return cancelled_;
  };
  auto progress = [this](const Progress& step) { note(step); };
  std::optional<Error> error, voice_error;
  try {
    options.stop = voice.stop = stop;
    options.progress = voice.progress = progress;
    if (!engine) engine = factory.open_engine(options);
    if (!engine) throw Error(ErrorCode::kInternal, "The speech engine did not open.");
  } catch (...) {
    error = current_error();
  }
  if (!error && !stop()) {
    try {
      note({"voice", voice.speaker.path, 0, 1});
      engine->load_voice(voice);
      note({"voice", voice.speaker.path, 1, 1});
    } catch (const Error& failed) {
      // Told when a text wants this voice: another voice may be set by then.
      if (!is_content_error(failed) && failed.code != ErrorCode::kSettings &&
          failed.code != ErrorCode::kNotFound && failed.code != ErrorCode::kCancelled) {
        error = failed;
      }
      voice_error = failed;
    } catch (...) {
      error = current_error();
    }
  }
  std::lock_guard<std::mutex> lock(mutex_);
  done_ = true;
  voice_error_ = std::move(voice_error);
  if (cancelled_ && !error) error = Error(ErrorCode::kCancelled, "cancelled");
  if (error) {
    error_ = std::move(error);
  } else {
    engine_ = std::move(engine);
  }
  changed_.notify_all();
}

void EngineLoad::note(const Progress& progress) {
  std::lock_guard<std::mutex> lock(mutex_);
  const int percent = percent_of(progress) / kProgressStep * kProgressStep;
  if (progress.what == last_what_ && percent == last_percent_) return;
  last_what_ = progress.what;
  last_percent_ = percent;
  progress_.push_back(progress);
  changed_.notify_all();
}

EngineLoad::Step EngineLoad::wait(std::vector<Progress>* progress) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return interrupted_ || woken_ || !progress_.empty() || done_; });
  const bool woken = std::exchange(woken_, false);
  if (interrupted_) return Step::kInterrupted;
  if (!progress_.empty()) {
    std::move(progress_.begin(), progress_.end(), std::back_inserter(*progress));
    progress_.clear();
    return Step::kProgress;
  }
  return woken && !done_ ? Step::kInterrupted : Step::kDone;
}

std::shared_ptr<Engine> EngineLoad::engine() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (error_) throw *error_;
  return engine_;
}

std::optional<Error> EngineLoad::voice_error() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return voice_error_;
}

void EngineLoad::interrupt() {
  std::lock_guard<std::mutex> lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

void EngineLoad::resume() {
  std::lock_guard<std::mutex> lock(mutex_);
  interrupted_ = false;
}

void EngineLoad::wake() {
  std::lock_guard<std::mutex> lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void EngineLoad::cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  interrupted_ = true;
  changed_.notify_all();
}

}  // namespace indextts2
