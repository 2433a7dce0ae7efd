// One replica's queue: the pool pushes jobs, the replica draws them when it has room.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/stop_token.h"
#include "pool/job.h"

namespace indextts2 {

// Thread-safety: push and close from any thread; pop and try_pop from the replica's thread.
// Unbounded: the submitters' windows bound it, so push never blocks and close cannot deadlock.
// Jobs whose stop was asked for never reach the replica: they end with kCancelled when their turn
// comes.
template <typename J>
class JobQueue {
 public:
  explicit JobQueue(std::shared_ptr<ReplicaLedger> ledger = std::make_shared<ReplicaLedger>())
      : ledger_(std::move(ledger)) {}
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // False, and nothing done, once the queue is closed.
  bool push(const std::shared_ptr<J>& job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return false;
      job->closing_ = closing_.token();
      job->ledger_ = ledger_;
      ledger_->submitted(job->cost_);
      waiting_.push_back(job);
    }
    wake_.notify_one();
    return true;
  }

  // Blocks for a job; null once the queue is closed. A handle that is dropped before the job is
  // over fails the job.
  std::shared_ptr<J> pop() { return draw(/*wait=*/true); }
  // A job if one waits, else null: for replicas that admit jobs between two steps of others.
  std::shared_ptr<J> try_pop() { return draw(/*wait=*/false); }

  // Wakes pop() for the last time. Jobs drawn before see their stop() set. Returns the jobs that
  // were not drawn: they belong to the caller now, who ends or passes them on.
  std::vector<std::shared_ptr<J>> close() {
    std::vector<std::shared_ptr<J>> left;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
      left.assign(waiting_.begin(), waiting_.end());
      waiting_.clear();
      for (const auto& job : left) {
        job->ledger_ = nullptr;
        ledger_->moved(job->cost_);
      }
    }
    closing_.request_stop();
    wake_.notify_all();
    return left;
  }

  bool closed() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return closed_;
  }

  // Ends all drawn jobs that are not over: their replica is gone.
  void fail_drawn(const std::exception_ptr& error) {
    std::vector<std::shared_ptr<J>> drawn;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      drawn.swap(drawn_);
    }
    for (const auto& job : drawn) job->fail(error);
  }

  const std::shared_ptr<ReplicaLedger>& ledger() const { return ledger_; }

 private:
  static std::exception_ptr dropped() {
    return std::make_exception_ptr(Error(
        ErrorCode::kInternal, "pool: a replica dropped a job without a result; this is a bug"));
  }

  // The handle that a replica gets. During unwinding the job is left to the worker, which knows the
  // exception.
  static std::shared_ptr<J> handle(const std::shared_ptr<J>& job) {
    return std::shared_ptr<J>(job.get(), [keep = job](J* raw) {
      if (!raw->over() && std::uncaught_exceptions() == 0) raw->fail(dropped());
    });
  }

  std::shared_ptr<J> draw(bool wait) {
    for (;;) {
      std::vector<std::shared_ptr<J>> lost;
      std::shared_ptr<J> job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        forget_ended(&lost);
        if (wait && lost.empty()) wake_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
        if (!closed_ && !waiting_.empty()) {
          job = std::move(waiting_.front());
          waiting_.pop_front();
          if (!job->stop_requested()) {
            job->was_drawn_ = true;
            ledger_->drawn();
            drawn_.push_back(job);
          }
        } else if (lost.empty()) {
          return nullptr;
        }
      }
      for (const auto& orphan : lost) orphan->fail(dropped());
      if (!job) continue;
      if (job->was_drawn_) return handle(job);
      job->fail(cancelled_error());
    }
  }

  // Drops what is over from drawn_. `lost`: jobs whose handle went during an unwinding that serve()
  // survived.
  void forget_ended(std::vector<std::shared_ptr<J>>* lost) {
    std::vector<std::shared_ptr<J>> kept;
    for (auto& job : drawn_) {
      if (job->over()) continue;
      (job.use_count() == 1 ? *lost : kept).push_back(std::move(job));
    }
    drawn_.swap(kept);
  }

  mutable std::mutex mutex_;  // guards all below; never held while a job ends
  std::condition_variable wake_;
  std::deque<std::shared_ptr<J>> waiting_;
  std::vector<std::shared_ptr<J>> drawn_;
  bool closed_ = false;
  StopSource closing_;
  const std::shared_ptr<ReplicaLedger> ledger_;
};

}  // namespace indextts2
