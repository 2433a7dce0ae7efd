// A job of a pool: it ends exactly once, with a result or an error, whatever happens to its
// replica.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/stop_token.h"

namespace indextts2 {

inline std::exception_ptr cancelled_error() {
  return std::make_exception_ptr(Error(ErrorCode::kCancelled, "cancelled"));
}

// Counters of one replica, as stats show them.
struct ReplicaCounters {
  uint64_t done = 0;        // jobs that ended with a result
  uint64_t failed = 0;      // jobs that ended with an error, cancelled ones included
  double units = 0;         // sum of what done jobs reported, e.g. seconds of sound
  double busy_seconds = 0;  // time in which the replica had at least one job
  double outstanding = 0;   // estimated cost of the jobs that are not over
  int queued = 0;           // jobs waiting or running
};

// Books the jobs of one replica. Thread-safety: safe.
class ReplicaLedger {
 public:
  void submitted(double cost) {
    std::lock_guard<std::mutex> lock(mutex_);
    counters_.outstanding += cost;
    ++counters_.queued;
  }
  void drawn() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (running_++ == 0) busy_since_ = now_seconds();
  }
  void ended(double cost, bool was_drawn, bool ok, double units) {
    std::lock_guard<std::mutex> lock(mutex_);
    leave(cost, was_drawn);
    ++(ok ? counters_.done : counters_.failed);
    counters_.units += units;
  }
  // The job goes to another replica.
  void moved(double cost) {
    std::lock_guard<std::mutex> lock(mutex_);
    leave(cost, /*was_drawn=*/false);
  }
  ReplicaCounters counters() const {
    std::lock_guard<std::mutex> lock(mutex_);
    ReplicaCounters counters = counters_;
    if (running_ > 0) counters.busy_seconds += now_seconds() - busy_since_;
    return counters;
  }

 private:
  void leave(double cost, bool was_drawn) {
    // Sums of doubles drift; an idle replica must count as exactly idle.
    counters_.outstanding = --counters_.queued == 0 ? 0 : counters_.outstanding - cost;
    if (was_drawn && --running_ == 0) counters_.busy_seconds += now_seconds() - busy_since_;
  }

  mutable std::mutex mutex_;  // guards all below
  ReplicaCounters counters_;
  int running_ = 0;
  double busy_since_ = 0;
};

// One request on its way through a pool. Thread-safety: safe once it was drawn; before, it belongs
// to its queue.
template <typename Request, typename Result>
class Job {
 public:
  // Called once, from the thread that ends the job: `error` is null and `result` valid, or `error`
  // is set. Must not throw or block.
  using Done = std::function<void(Result result, std::exception_ptr error)>;

  // `cost`: estimate of the work in any unit, the same for all jobs of a pool. `stop`: the
  // submitter's wish.
  Job(Request request, StopToken stop, double cost, Done done)
      : request(std::move(request)), cost_(cost), stop_(std::move(stop)), done_(std::move(done)) {}

  Request request;

  // Stops when the submitter or the closing of the pool asks for it.
  StopToken stop() const {
    return StopToken(
        [own = stop_, pool = closing_] { return own.stop_requested() || pool.stop_requested(); });
  }
  bool stop_requested() const { return stop_.stop_requested() || closing_.stop_requested(); }
  bool over() const { return over_.load(); }

  // Ends the job; false and no effect when it is over. `units`: what it made, for
  // ReplicaCounters::units.
  bool deliver(Result result, double units) {
    if (over_.exchange(true)) return false;
    finish(std::move(result), nullptr, units);
    return true;
  }
  bool fail(std::exception_ptr error) {
    if (over_.exchange(true)) return false;
    finish(Result(), std::move(error), /*units=*/0);
    return true;
  }

 private:
  template <typename J>
  friend class JobQueue;

  void finish(Result result, std::exception_ptr error, double units) {
    if (ledger_) ledger_->ended(cost_, was_drawn_, error == nullptr, units);
    const Done done = std::move(done_);  // what it holds goes now, not with the last handle
    if (done) done(std::move(result), std::move(error));
  }

  const double cost_;
  const StopToken stop_;
  Done done_;
  std::atomic<bool> over_{false};
  // Written by the queue that holds the job, before its replica sees it.
  StopToken closing_;
  std::shared_ptr<ReplicaLedger> ledger_;
  bool was_drawn_ = false;
};

}  // namespace indextts2
