// Time that goes on when everybody sleeps: threads run one at a time, in an order that is always
// the same.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <queue>
#include <utility>
#include <vector>

namespace indextts2 {

// Thread-safety: sleep from any thread, the rest from the one that drives.
class VirtualClock {
 public:
  double now() const { return now_; }

  // Blocks the calling thread for so long. False: end() was called.
  bool sleep(double seconds) {
    Sleeper self{now_ + seconds};
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.push(&self);
    driver_.notify_one();
    self.wake.wait(lock, [&] { return self.over || ended_; });
    return !ended_;
  }

  // Blocks until `ready(number of sleepers)`; it is asked whenever that grows or tell() is called.
  template <typename Ready>
  void wait(const Ready& ready) {
    std::unique_lock<std::mutex> lock(mutex_);
    driver_.wait(lock, [&] { return ready(sleepers_.size()); });
  }
  // From any thread: something that `ready` looks at has changed.
  void tell() {
    std::lock_guard<std::mutex> lock(mutex_);
    driver_.notify_one();
  }
  // Wakes the one that sleeps the shortest.
  void wake_next() {
    std::lock_guard<std::mutex> lock(mutex_);
    Sleeper* const next = sleepers_.top();
    sleepers_.pop();
    now_ = next->until;
    next->over = true;
    next->wake.notify_one();
  }
  void end() {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    for (; !sleepers_.empty(); sleepers_.pop()) sleepers_.top()->wake.notify_one();
  }

 private:
  struct Sleeper {
    double until;
    bool over = false;
    std::condition_variable wake{};
  };
  struct Later {
    bool operator()(const Sleeper* a, const Sleeper* b) const { return a->until > b->until; }
  };

  std::atomic<double> now_{0};
  std::mutex mutex_;  // guards all below
  std::condition_variable driver_;
  std::priority_queue<Sleeper*, std::vector<Sleeper*>, Later> sleepers_;
  bool ended_ = false;
};

}  // namespace indextts2
