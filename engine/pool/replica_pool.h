// N replicas, each on a thread of its own with a queue of its own.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/stop_token.h"
#include "pool/job_queue.h"
#include "pool/reaper.h"
#include "pool/replica_workers.h"
#include "pool/schedule.h"

namespace indextts2 {

struct PoolOpenOptions {
  StopToken stop;  // polled while replicas are built: open throws kCancelled
  std::function<void(size_t ready)>
      on_ready;  // one more replica is built; called on the opening thread
};

// A Replica is built by its factory and destroyed on its worker's thread. It has one method,
//   void serve(JobQueue<J>& queue);
// which draws jobs and ends them until the queue is closed (pop() answers null; the stop() of the
// jobs that it still has is set then). If serve throws, the replica is given up: the jobs that it
// had drawn fail with that exception, those that waited go to the other replicas. With the last
// replica gone, all jobs fail with its exception.
//
// The last handle to go hands the workers to the reaper and returns at once, see Note [End of
// threads]. Thread-safety: safe.
template <typename Replica, typename J>
class ReplicaPool {
 public:
  // Throws what it likes; `closing` stops when the pool is being closed. What the factories hold
  // (weights) is released after all workers have ended.
  using Factory = typename ReplicaWorkers<Replica, J>::Factory;

  // Builds all replicas at the same time. Throws what the first failing factory threw, without
  // waiting for the others.
  static std::shared_ptr<ReplicaPool> open(std::vector<Factory> factories,
                                           const PoolOpenOptions& options = {}) {
    if (factories.empty()) throw Error(ErrorCode::kSettings, "pool: no replicas were asked for");
    std::shared_ptr<ReplicaPool> pool(new ReplicaPool(std::move(factories)));
    pool->workers_->start();
    pool->workers_->wait_ready(options.stop, options.on_ready);
    reaper::run_before_other_exit_handlers();
    return pool;
  }
  ~ReplicaPool() { reaper::bury(workers_.get()); }
  ReplicaPool(const ReplicaPool&) = delete;
  ReplicaPool& operator=(const ReplicaPool&) = delete;

  size_t size() const { return workers_->size(); }
  // Never blocks. The job's Done is called exactly once, possibly before this returns.
  void submit(const std::shared_ptr<J>& job, Dispatch dispatch) { workers_->submit(job, dispatch); }
  // One entry per replica, in the order of the factories; false: it was given up.
  std::vector<std::pair<ReplicaCounters, bool>> counters() const { return workers_->counters(); }

 private:
  explicit ReplicaPool(std::vector<Factory> factories)
      : workers_(std::make_shared<ReplicaWorkers<Replica, J>>(std::move(factories))) {
    reaper::enroll(workers_);
  }

  const std::shared_ptr<ReplicaWorkers<Replica, J>> workers_;
};

}  // namespace indextts2
