// The threads behind a ReplicaPool: one per replica, with its queue.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/stop_token.h"
#include "pool/job_queue.h"
#include "pool/ready_gate.h"
#include "pool/reaper.h"
#include "pool/schedule.h"

namespace indextts2 {

// Thread-safety: safe. Owned by the reaper, see Note [End of threads].
template <typename Replica, typename J>
class ReplicaWorkers : public Mortal {
 public:
  using Factory = std::function<std::unique_ptr<Replica>(const StopToken& closing)>;

  explicit ReplicaWorkers(std::vector<Factory> factories) {
    for (auto& factory : factories) {
      workers_.push_back(std::make_unique<Worker>());
      workers_.back()->factory = std::move(factory);
    }
  }

  // Call once, after reaper::enroll.
  void start() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& worker : workers_) {
      closing_.token().check();
      worker->thread = reaper::start([this, one = worker.get()] { run(*one); });
    }
  }
  void stop() noexcept override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closing_.request_stop();
    }
    for (const auto& worker : workers_) {
      for (const auto& job : worker->queue.close()) job->fail(cancelled_error());
    }
  }
  void join() noexcept override {
    for (const auto& worker : workers_) {
      std::thread thread;
      {
        std::lock_guard<std::mutex> lock(mutex_);
        thread = std::move(worker->thread);
      }
      if (thread.joinable()) thread.join();
    }
  }

  // Blocks until all replicas are built; throws what the first failing factory threw.
  void wait_ready(const StopToken& stop, const std::function<void(size_t)>& on_ready) {
    gate_.wait(workers_.size(), stop, on_ready);
  }
  void submit(const std::shared_ptr<J>& job, Dispatch dispatch) {
    std::exception_ptr error;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      error = place(job, dispatch, turn_++);
    }
    if (error) job->fail(error);
  }

  size_t size() const { return workers_.size(); }
  std::vector<std::pair<ReplicaCounters, bool>> counters() const {  // and whether it is alive
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::pair<ReplicaCounters, bool>> all;
    for (const auto& worker : workers_) {
      all.emplace_back(worker->queue.ledger()->counters(), worker->alive);
    }
    return all;
  }

 private:
  struct Worker {
    Factory factory;
    JobQueue<J> queue;
    std::thread thread;
    bool alive = true;
  };

  // Under mutex_. Returns why there is no place.
  std::exception_ptr place(const std::shared_ptr<J>& job, Dispatch dispatch, uint64_t turn) {
    std::vector<ReplicaState> states;
    for (const auto& worker : workers_) {
      states.push_back({worker->alive, worker->queue.ledger()->counters().outstanding});
    }
    const size_t i = pick_replica(dispatch, turn, states);
    if (i == kNoReplica) return failure_;
    return workers_[i]->queue.push(job) ? nullptr : cancelled_error();
  }

  // A worker's life, on its thread.
  void run(Worker& worker) {
    std::unique_ptr<Replica> replica;
    std::exception_ptr error;
    try {
      replica = worker.factory(closing_.token());
      gate_.built();
      replica->serve(worker.queue);
      if (!worker.queue.closed()) {
        throw Error(ErrorCode::kInternal, "pool: a replica stopped serving; this is a bug");
      }
      error = cancelled_error();
    } catch (...) {
      error = std::current_exception();
    }
    worker.queue.fail_drawn(error);
    retire(worker, error);
    // At exit the libraries that it uses are going, too.
    if (reaper::exiting()) reaper::leak(std::shared_ptr<Replica>(std::move(replica)));
  }

  // The worker takes no more jobs; those that wait go on to the others, in their order.
  void retire(Worker& worker, const std::exception_ptr& error) {
    std::vector<std::pair<std::shared_ptr<J>, std::exception_ptr>> stranded;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      worker.alive = false;
      failure_ = error;
      for (const auto& job : worker.queue.close()) {
        if (auto refused = place(job, Dispatch::kLeastWork, turn_)) {
          stranded.emplace_back(job, refused);
        }
      }
    }
    gate_.failed(error);
    for (const auto& [job, refused] : stranded) job->fail(refused);
  }

  std::vector<std::unique_ptr<Worker>> workers_;  // the vector is const once built
  StopSource closing_;
  ReadyGate gate_;
  mutable std::mutex mutex_;  // guards all below, Worker::thread and alive; taken before a queue's
  uint64_t turn_ = 0;         // jobs submitted so far
  std::exception_ptr failure_;  // of the replica that was given up last
};

}  // namespace indextts2
