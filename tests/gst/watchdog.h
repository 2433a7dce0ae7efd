// Ends a test that hangs, saying so, before the test runner's own limit does it in silence.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace player {

// Aborts the process unless it is destroyed in time. abort() because threads that hang cannot be
// ended, and so that a debugger or a core shows where they are.
class Watchdog {
 public:
  explicit Watchdog(int seconds) : thread_([this, seconds] { watch(seconds); }) {}
  ~Watchdog() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;

 private:
  void watch(int seconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::seconds(seconds), [&] { return over_; })) return;
    std::fprintf(stderr, "watchdog: the test hangs: not over after %d s\n", seconds);
    std::abort();
  }

  std::mutex mutex_;  // guards over_
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace player
