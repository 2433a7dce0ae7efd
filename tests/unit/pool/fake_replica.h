// A replica that sleeps, throws and counts.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/error.h"
#include "pool/job_queue.h"

namespace indextts2 {

using FakeJob = Job<int, int>;

// Answers request * 10; `work` runs first and may throw, sleep or end the job itself.
class FakeReplica {
 public:
  using Work = std::function<void(FakeJob&)>;
  explicit FakeReplica(Work work = nullptr)
      : work_(std::move(work)), owner_(std::this_thread::get_id()) {
    ++alive();
  }
  ~FakeReplica() {
    if (owner_ != std::this_thread::get_id()) ++foreign_deaths();
    --alive();
  }

  void serve(JobQueue<FakeJob>& queue) {
    while (auto job = queue.pop()) {
      if (work_) work_(*job);
      if (!job->over()) job->deliver(job->request * 10, /*units=*/0.5);
    }
  }

  static std::atomic<int>& alive() {
    static std::atomic<int> count{0};
    return count;
  }
  // Replicas that were destroyed on another thread than the one that built them.
  static std::atomic<int>& foreign_deaths() {
    static std::atomic<int> count{0};
    return count;
  }

 private:
  const Work work_;
  const std::thread::id owner_;
};

// Waits for something that another thread is about to do; gives up after 10 s.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 10000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

inline ErrorCode code_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error.code;
  } catch (...) {
    return ErrorCode::kInternal;
  }
}

}  // namespace indextts2
