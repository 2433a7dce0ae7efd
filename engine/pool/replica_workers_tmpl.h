// Definitions of ReplicaWorkers.
#pragma once

#include <algorithm>

#include "pool/replica_workers.h"

namespace indextts2 {

template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::add(std::vector<Plan> plans, const StopToken& stop,
                                     const std::function<void(size_t)>& on_ready) {
  const auto gate = std::make_shared<ReadyGate>();
  std::vector<std::shared_ptr<Worker>> added;
  try {
    start(std::move(plans), gate, &added);
    gate->wait(added.size(), stop, on_ready);
  } catch (...) {
    for (const auto& worker : added) dismiss(*worker);
    throw;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& worker : added) worker->serving = true;
  }
  for (const auto& worker : added) board_->open_seat(worker->seat);
}

template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::remove(const std::string& name, const StopToken& stop) {
  const std::vector<std::shared_ptr<Worker>> leaving = choose_leaving(name);
  for (const auto& worker : leaving) place_again(worker->queue.drain(), failure());
  std::unique_lock<std::mutex> lock(mutex_);
  for (const auto& worker : leaving) {
    while (!worker->ended) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      if (worker->lost) break;  // it hangs, and is not waited for
      stop.check();
    }
  }
  forget_ended();
}

template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::submit(const std::shared_ptr<J>& job) {
  if (!board_->submit(job)) job->fail(failure());
}

template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::stop() noexcept {
  std::vector<std::shared_ptr<Worker>> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    all = workers_;
    changed_.notify_all();
  }
  for (const auto& worker : all) {
    worker->closing.request_stop();
    for (const auto& job : worker->queue.close()) job->fail(cancelled_error());
  }
}

template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::join() noexcept {
  for (;;) {
    std::thread thread;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (watcher_.joinable()) {
        thread = std::move(watcher_);
      } else if (!workers_.empty()) {
        const std::shared_ptr<Worker> last = workers_.back();
        workers_.pop_back();
        thread = std::move(last->thread);
        if (last->lost) {
          changed_.wait_for(lock, kHangPatience, [&] { return last->ended; });
          if (!last->ended) thread.detach();  // it keeps this object alive
        }
      } else {
        return;
      }
    }
    if (thread.joinable()) thread.join();
  }
}

template <typename Replica, typename J>
size_t ReplicaWorkers<Replica, J>::num_open() const {
  return board_->num_open();
}

template <typename Replica, typename J>
std::vector<ReplicaInfo> ReplicaWorkers<Replica, J>::info() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ReplicaInfo> all;
  for (const auto& worker : workers_) {
    if (!worker->serving || worker->leaving) continue;
    all.push_back({worker->name, worker->queue.counters(), !worker->lost});
  }
  return all;
}
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::start(std::vector<Plan> plans,
                                       const std::shared_ptr<ReadyGate>& gate,
                                       std::vector<std::shared_ptr<Worker>>* added) {
  std::unique_lock<std::mutex> lock(mutex_);
  forget_ended();
  for (const Plan& plan : plans) forget_lost(plan.name, &lock);
  if (closing_) std::rethrow_exception(cancelled_error());
  if (hooks_.stall_seconds > 0 && !watcher_.joinable()) {
    watcher_ = reaper::start([self = this->shared_from_this()] { self->watch(); });
  }
  for (Plan& plan : plans) {
    auto worker = std::make_shared<Worker>(std::move(plan.name), std::move(plan.factory), board_);
    worker->thread = reaper::start(
        [self = this->shared_from_this(), worker, gate] { self->run(*worker, *gate); });
    workers_.push_back(worker);
    added->push_back(std::move(worker));
  }
}

// A replica that is not wanted any more.
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::dismiss(Worker& worker) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    worker.leaving = true;
  }
  worker.closing.request_stop();
  place_again(worker.queue.close(), failure());
}

template <typename Replica, typename J>
auto ReplicaWorkers<Replica, J>::choose_leaving(const std::string& name)
    -> std::vector<std::shared_ptr<Worker>> {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::shared_ptr<Worker>> leaving;
  size_t staying = 0;
  for (const auto& worker : workers_) {
    if (worker->retired || worker->leaving || !worker->serving) continue;
    if (worker->name == name) {
      leaving.push_back(worker);
    } else {
      ++staying;
    }
  }
  if (leaving.empty()) {
    throw Error(ErrorCode::kUnknownDevice, "device \"" + name + "\" is not loaded");
  }
  if (staying == 0) {
    throw Error(ErrorCode::kSettings, "device \"" + name +
                                          "\" is the last one that is loaded; load another "
                                          "device first, or close the engine");
  }
  for (const auto& worker : leaving) worker->leaving = true;
  return leaving;
}

// A worker's life, on its thread.
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::run(Worker& worker, ReadyGate& gate) {
  std::unique_ptr<Replica> replica;
  std::exception_ptr error;
  bool fault = false;
  try {
    replica = worker.factory(worker.closing.token());
    gate.built();
    replica->serve(worker.queue);
    if (!worker.queue.closed()) {
      throw Error(ErrorCode::kInternal, "pool: a replica stopped serving; this is a bug");
    }
    error = cancelled_error();
  } catch (...) {
    error = std::current_exception();
    fault = true;
  }
  retire(worker, error, fault ? Why::kFault : Why::kEnd);
  gate.failed(error);
  auto factory = std::make_shared<Factory>(std::move(worker.factory));
  if (reaper::exiting()) {  // the libraries that they use are going, too
    reaper::leak(std::shared_ptr<Replica>(std::move(replica)));
    reaper::leak(std::move(factory));
  }
  replica = nullptr;
  factory = nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  worker.ended = true;
  changed_.notify_all();
}

// The worker takes no more jobs; those that it had go on to the others, what was in work first.
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::retire(Worker& worker, const std::exception_ptr& error, Why why) {
  bool tell = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (std::exchange(worker.retired, true)) return;
    worker.lost = why != Why::kEnd && !closing_;
    if (worker.lost) failure_ = error;
    tell = worker.lost && worker.serving;
    changed_.notify_all();
  }
  const auto waiting = worker.queue.close();
  place_again(worker.queue.revoke_drawn(), error);
  place_again(waiting, error);
  if (tell && hooks_.on_lost) hooks_.on_lost({worker.name, error, why == Why::kStall, num_open()});
}

template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::place_again(const std::vector<std::shared_ptr<J>>& jobs,
                                             const std::exception_ptr& error) {
  for (const auto& job : jobs) {
    if (Board<J>::losses(*job) >= kMostLosses) {
      job->fail(error);
    } else {
      submit(job);
    }
  }
}

// Why a job finds no replica.
template <typename Replica, typename J>
std::exception_ptr ReplicaWorkers<Replica, J>::failure() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return closing_ || !failure_ ? cancelled_error() : failure_;
}

// The watcher's thread. Counts its own ticks, not time: a process that was stopped and goes on
// finds no replica guilty.
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::watch() {
  const std::chrono::duration<double> tick(hooks_.stall_seconds / kTicks);
  for (;;) {
    std::vector<std::shared_ptr<Worker>> all;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (changed_.wait_for(lock, tick, [this] { return closing_; })) return;
      all = workers_;
    }
    for (const auto& worker : all) {
      if (hangs(*worker)) retire(*worker, stall_error(worker->name), Why::kStall);
    }
  }
}

template <typename Replica, typename J>
bool ReplicaWorkers<Replica, J>::hangs(Worker& worker) {
  const std::optional<uint64_t> pulse = worker.queue.pulse();
  const bool silent = pulse && *pulse == worker.pulse;
  worker.silent_ticks = silent ? worker.silent_ticks + 1 : 0;
  worker.pulse = pulse.value_or(0);
  return worker.silent_ticks >= kTicks;
}

template <typename Replica, typename J>
std::exception_ptr ReplicaWorkers<Replica, J>::stall_error(const std::string& name) const {
  return std::make_exception_ptr(Error(
      ErrorCode::kDeviceLost, "device " + name + " has stalled: no progress for " +
                                  std::to_string(hooks_.stall_seconds) + " s (stall_seconds)"));
}

// Under the mutex. Joins threads that are through; the watcher is not among them.
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::forget_ended() {
  forget_if([](const Worker& worker) { return worker.ended && (worker.leaving || !worker.lost); });
}

// A lost replica's entry stays, for the stats, until another one of its name comes.
template <typename Replica, typename J>
void ReplicaWorkers<Replica, J>::forget_lost(const std::string& name,
                                             std::unique_lock<std::mutex>* lock) {
  const auto hangs = [&] {
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& worker) {
      return worker->name == name && worker->lost && !worker->ended;
    });
  };
  changed_.wait_for(*lock, kHangPatience, [&] { return closing_ || !hangs(); });
  if (hangs()) {
    throw Error(
        ErrorCode::kDeviceLost,
        "device \"" + name +
            "\" still hangs; it can be loaded again once it comes back, or when the process "
            "has restarted");
  }
  forget_if([&](const Worker& worker) { return worker.ended && worker.name == name; });
}

template <typename Replica, typename J>
template <typename Condition>
void ReplicaWorkers<Replica, J>::forget_if(const Condition& condition) {
  const auto through = std::stable_partition(
      workers_.begin(), workers_.end(), [&](const auto& worker) { return !condition(*worker); });
  for (auto at = through; at != workers_.end(); ++at) (*at)->thread.join();
  workers_.erase(through, workers_.end());
}

}  // namespace indextts2
