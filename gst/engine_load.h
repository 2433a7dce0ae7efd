// Opens the engine on a thread of its own, so that the state change does not wait for it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {

// One attempt to open an engine and to encode its first voice. The thread is never waited for: it
// holds its own reference and ends soon after cancel(). Thread-safety: safe.
class EngineLoad {
 public:
  enum class Step { kProgress, kDone, kInterrupted };

  // Starts the thread. `engine`: an engine that is open already; then only the voice is encoded.
  static std::shared_ptr<EngineLoad> begin(const EngineFactory& factory, EngineOptions options,
                                           VoiceOptions voice, std::shared_ptr<Engine> engine);

  // Waits for news: progress (moved to *progress, at most one per ten percent), the end,
  // interrupt() or wake(). kDone is repeated at each further call.
  Step wait(std::vector<Progress>* progress);
  // The engine once wait() said kDone. Throws what opening it threw.
  std::shared_ptr<Engine> engine() const;
  // Why the voice could not be read, then. The first text that wants it tells.
  std::optional<Error> voice_error() const;

  void interrupt();  // wait() returns kInterrupted at once, until resume()
  void resume();
  void wake();    // wait() returns kInterrupted once, unless it has other news
  void cancel();  // the thread gives up; engine() then throws kCancelled

 private:
  EngineLoad() = default;
  void run(const EngineFactory& factory, EngineOptions options, VoiceOptions voice,
           std::shared_ptr<Engine> engine);
  void note(const Progress& progress);

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<Progress> progress_;
  std::string last_what_;
  int last_percent_ = -1;
  bool done_ = false, interrupted_ = false, woken_ = false, cancelled_ = false;
  std::shared_ptr<Engine> engine_;
  std::optional<Error> error_, voice_error_;
};

// 0 to 100.
int percent_of(const Progress& progress);

}  // namespace indextts2
