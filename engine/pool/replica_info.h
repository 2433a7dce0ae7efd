// What a pool is told of its replicas, and tells of them.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "core/clock.h"
#include "pool/job_book.h"

namespace indextts2 {

// A replica to be built. Several may have the same name: they come and go together.
template <typename Factory>
struct ReplicaPlan {
  // Not explicit: a replica without a name is its factory.
  template <typename Function,
            typename = std::enable_if_t<std::is_convertible_v<Function, Factory>>>
  ReplicaPlan(Function factory) : factory(std::move(factory)) {}
  ReplicaPlan(std::string name, Factory factory)
      : name(std::move(name)), factory(std::move(factory)) {}

  std::string name;  // of its device
  Factory factory;
};

struct ReplicaInfo {
  std::string name;
  ReplicaCounters counters;
  bool alive = true;  // false: lost
};

struct LostReplica {
  std::string name;
  std::exception_ptr error;
  bool stalled = false;  // by the watchdog
  size_t left = 0;       // replicas that still take jobs
};

// A job that is over, for the log.
struct JobRecord {
  std::string replica;
  Order order;
  double submitted_at = 0, drawn_at = 0, ended_at = 0;  // now_seconds()
  bool ok = false;
  JobYield yield;
  ReplicaCounters counters;  // of the replica, with this job
};
// Called from the thread that ends the job; must not block.
using OnJobEnded = std::function<void(const JobRecord&)>;

// Called from any thread, once the lost replica's jobs have gone to others; must not block.
using OnReplicaLost = std::function<void(const LostReplica&)>;

// What a pool does beside its jobs; all of it may be left out.
struct PoolHooks {
  // A replica that has jobs and shows no sign of life for so long is lost; 0: never.
  double stall_seconds = 0;
  OnReplicaLost on_lost;
  OnJobEnded on_ended;
  // The time by which jobs are booked; the watchdog counts real seconds. Called under a mutex.
  double (*now)() = now_seconds;
};

}  // namespace indextts2
