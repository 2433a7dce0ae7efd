// Ends a test that hangs, saying where each thread stands, before the test runner's own limit does
// it in silence.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace player {

// Aborts the process unless it is destroyed in time: threads that hang cannot be ended.
class Watchdog {
 public:
  explicit Watchdog(int seconds);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;

 private:
  void watch(int seconds);

  std::mutex mutex_;  // guards over_
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace player
