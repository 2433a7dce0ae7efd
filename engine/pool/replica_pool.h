// N replicas, each on a thread of its own with a door of its own to the jobs that wait.
#pragma once

#include <functional>
#include <memory>
#include <string>
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
  StopToken stop;  // polled while replicas are built: open and add throw kCancelled
  // One more replica is built; called on the opening thread.
  std::function<void(size_t ready)> on_ready;
  PoolHooks hooks;  // for open only
};

// A Replica is built by its factory and destroyed on its worker's thread. It has one method,
//   void serve(JobQueue<J>& queue);
// which draws jobs and ends them until the queue is closed (pop() answers null; the stop() of the
// jobs that it still has is set then, unless they may be finished). What happens when it fails:
// Note [Loss of a replica].
//
// The last handle to go hands the workers to the reaper and returns at once, see Note [End of
// threads]. Thread-safety: safe.
template <typename Replica, typename J>
class ReplicaPool {
 public:
  // What a factory holds (weights) is released when its replica has ended.
  using Factory = typename ReplicaWorkers<Replica, J>::Factory;
  using Plan = typename ReplicaWorkers<Replica, J>::Plan;

  // Builds all replicas at the same time. Throws what the first failing factory threw, without
  // waiting for the others.
  static std::shared_ptr<ReplicaPool> open(std::vector<Plan> plans,
                                           const PoolOpenOptions& options = {}) {
    if (plans.empty()) throw Error(ErrorCode::kSettings, "pool: no replicas were asked for");
    std::shared_ptr<ReplicaPool> pool(new ReplicaPool(options));
    pool->add(std::move(plans), options);
    reaper::run_before_other_exit_handlers();
    return pool;
  }
  ~ReplicaPool() { reaper::bury(workers_.get()); }
  ReplicaPool(const ReplicaPool&) = delete;
  ReplicaPool& operator=(const ReplicaPool&) = delete;

  // More replicas, or lost ones again, while the others work. Throws as open, and
  // Error{kDeviceLost} when a lost replica of the same name still hangs.
  void add(std::vector<Plan> plans, const PoolOpenOptions& options = {}) {
    workers_->add(std::move(plans), options.stop, options.on_ready);
  }
  // See ReplicaWorkers::remove.
  void remove(const std::string& name, const StopToken& stop = {}) { workers_->remove(name, stop); }

  // Replicas that take jobs.
  size_t size() const { return workers_->num_open(); }
  // Never blocks. The job's Done is called exactly once, possibly before this returns.
  void submit(const std::shared_ptr<J>& job) { workers_->submit(job); }
  // One entry per replica, in the order in which they came; lost ones included.
  std::vector<ReplicaInfo> info() const { return workers_->info(); }

 private:
  explicit ReplicaPool(const PoolOpenOptions& options)
      : workers_(std::make_shared<ReplicaWorkers<Replica, J>>(options.hooks)) {
    reaper::enroll(workers_);
  }

  const std::shared_ptr<ReplicaWorkers<Replica, J>> workers_;
};

}  // namespace indextts2
