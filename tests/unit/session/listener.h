// The consumer of a session, as a list of what it got.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fake_backend.h"
#include "indextts2/engine.h"

namespace indextts2 {

// Calls next() on a thread of its own, so that the test can answer meanwhile. Events: "wave 1.0",
// "end 1", "error 1.2 MESSAGE", "idle", "over".
class Listener {
 public:
  explicit Listener(Session* session) : session_(session), thread_([this] { run(); }) {}
  ~Listener() {
    stopping_ = true;
    session_->interrupt();
    thread_.join();
    session_->resume();
  }

  size_t count() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return events_.size();
  }
  // Blocks until that many events came.
  std::vector<std::string> events(size_t wanted) const {
    EXPECT_TRUE(eventually([&] { return count() >= wanted; }));
    std::lock_guard<std::mutex> lock(mutex_);
    return events_;
  }

  static std::string event(Session& session) {
    Wave wave;
    try {
      switch (session.next(&wave, /*wait_when_idle=*/true)) {
        case Next::kWave:
          return "wave " + std::to_string(wave.text_id) + "." + std::to_string(wave.segment);
        case Next::kTextEnd:
          return "end " + std::to_string(wave.text_id);
        case Next::kInterrupted:
          return "interrupted";
        case Next::kIdle:
          return "idle";
        case Next::kEnd:
          return "over";
      }
    } catch (const Error& error) {
      return "error " + std::to_string(error.text_id) + "." + std::to_string(error.segment) + " " +
             error.what();
    }
    return "";
  }

 private:
  void run() {
    for (;;) {
      const std::string one = event(*session_);
      if (stopping_) return;
      std::lock_guard<std::mutex> lock(mutex_);
      events_.push_back(one);
      if (one == "over") return;
    }
  }

  Session* const session_;
  mutable std::mutex mutex_;  // guards events_
  std::vector<std::string> events_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace indextts2
