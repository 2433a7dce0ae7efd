// The threads behind a ReplicaPool: one per replica, and one that watches them.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/stop_token.h"
#include "pool/job_queue.h"
#include "pool/ready_gate.h"
#include "pool/reaper.h"
#include "pool/replica_info.h"

namespace indextts2 {

// Note [Loss of a replica]
// A replica is lost when its serve() throws, when it says that it is broken
// (JobQueue::fail_replica), or when it has jobs in work and shows no sign of life for stall_seconds
// (a job's stop() tested, a job drawn or ended). Then it gets no more jobs; those that waited for
// it and those that it had in work are placed on the others. A job that has lost three replicas
// fails: it may be what breaks them. With the last replica gone, all jobs fail with its exception.
// A thread that hangs is left alone: it ends when it comes back, and is not waited for at exit.
//
// Thread-safety: safe. Owned by the reaper, see Note [End of threads]. Nothing is called back under
// its mutex.
template <typename Replica, typename J>
class ReplicaWorkers : public Mortal,
                       public std::enable_shared_from_this<ReplicaWorkers<Replica, J>> {
 public:
  // Throws what it likes; `closing` stops when the replica is not wanted any more.
  using Factory = std::function<std::unique_ptr<Replica>(const StopToken& closing)>;
  using Plan = ReplicaPlan<Factory>;

  explicit ReplicaWorkers(PoolHooks hooks)
      : hooks_(std::move(hooks)), board_(std::make_shared<Board<J>>(hooks_.on_ended, hooks_.now)) {}

  // Builds replicas, all at the same time, and lets them take jobs once all are built. Throws what
  // the first failing factory threw, without waiting for the others; then none of them is there.
  void add(std::vector<Plan> plans, const StopToken& stop,
           const std::function<void(size_t)>& on_ready);
  // Ends the replicas of this name once they have finished what they have in work; what waits for
  // them goes to others. Blocks until then. Throws Error{kUnknownDevice} when there is none,
  // {kSettings} when no other would be left, {kCancelled} on `stop` (they still end).
  void remove(const std::string& name, const StopToken& stop);
  void submit(const std::shared_ptr<J>& job);
  void stop() noexcept override;
  void join() noexcept override;
  size_t num_open() const;
  std::vector<ReplicaInfo> info() const;

 private:
  struct Worker {
    Worker(std::string name, Factory factory, std::shared_ptr<Board<J>> board)
        : name(std::move(name)),
          factory(std::move(factory)),
          seat(board->add_seat(this->name)),
          queue(std::move(board), seat) {}
    const std::string name;
    Factory factory;  // its thread's, once that runs
    const size_t seat;
    JobQueue<J> queue;
    StopSource closing;
    // Guarded by ReplicaWorkers::mutex_.
    std::thread thread;
    bool serving = false;  // built, and so are those that came with it
    bool leaving = false;  // removed or dismissed
    bool retired = false;  // takes no more jobs
    bool lost = false;     // retired for a fault
    bool ended = false;    // the thread is through
    // The watcher's.
    uint64_t pulse = 0;
    int silent_ticks = 0;
  };
  enum class Why { kEnd, kFault, kStall };
  static constexpr std::chrono::seconds kHangPatience{2};
  static constexpr int kTicks = 8;  // of the watcher, in stall_seconds
  static constexpr int kMostLosses = 3;

  void start(std::vector<Plan> plans, const std::shared_ptr<ReadyGate>& gate,
             std::vector<std::shared_ptr<Worker>>* added);
  // A replica that is not wanted any more.
  void dismiss(Worker& worker);
  std::vector<std::shared_ptr<Worker>> choose_leaving(const std::string& name);
  // A worker's life, on its thread.
  void run(Worker& worker, ReadyGate& gate);
  // The worker takes no more jobs; those that it had go on to the others, what was in work first.
  void retire(Worker& worker, const std::exception_ptr& error, Why why);
  void place_again(const std::vector<std::shared_ptr<J>>& jobs, const std::exception_ptr& error);
  // Why a job finds no replica.
  std::exception_ptr failure() const;
  // The watcher's thread. Counts its own ticks, not time: a process that was stopped and goes on
  // finds no replica guilty.
  void watch();
  static bool hangs(Worker& worker);
  std::exception_ptr stall_error(const std::string& name) const;
  // Under the mutex. Joins threads that are through; the watcher is not among them.
  void forget_ended();
  // A lost replica's entry stays, for the stats, until another one of its name comes. Waits a
  // moment for its thread to end.
  void forget_lost(const std::string& name, std::unique_lock<std::mutex>* lock);
  template <typename Condition>
  void forget_if(const Condition& condition);

  const PoolHooks hooks_;
  const std::shared_ptr<Board<J>> board_;
  mutable std::mutex mutex_;  // guards all below; never held while a job ends
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::thread watcher_;
  bool closing_ = false;
  std::exception_ptr failure_;  // of the replica that was lost last
};

}  // namespace indextts2

#include "pool/replica_workers_tmpl.h"
