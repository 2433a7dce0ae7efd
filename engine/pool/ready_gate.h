// Where the opener of a pool waits for its replicas.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <utility>

#include "core/stop_token.h"

namespace indextts2 {

// Thread-safety: safe.
class ReadyGate {
 public:
  void built() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++ready_;
    }
    changed_.notify_all();
  }
  void failed(std::exception_ptr error) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::move(error);
    }
    changed_.notify_all();
  }

  // Blocks until built() was called `count` times; throws the first failure, or kCancelled within
  // 20 ms of `stop`. `on_ready` gets 1, 2, ... count.
  void wait(size_t count, const StopToken& stop, const std::function<void(size_t)>& on_ready) {
    for (size_t told = 0; told < count;) {
      bool more = false;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(20),
                          [&] { return failure_ != nullptr || ready_ > told; });
        if (failure_) std::rethrow_exception(failure_);
        more = ready_ > told;
      }
      stop.check();
      if (more && on_ready) on_ready(told + 1);  // nothing is called back under a lock
      if (more) ++told;
    }
  }

 private:
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  size_t ready_ = 0;
  std::exception_ptr failure_;
};

}  // namespace indextts2
