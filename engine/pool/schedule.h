// Which replica gets the next job.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace indextts2 {

enum class Dispatch {
  kRoundRobin,  // job i of the pool goes to replica i mod N
  kLeastWork,   // where it will be over first, by estimated cost and measured speed; ties in turn
};

// What the schedule knows of a job.
struct Order {
  Order(double cost = 1) : cost(cost) {}  // not explicit: most callers have nothing else to say

  double cost;         // estimate of the work, in one unit for all jobs of a pool
  uint64_t queue = 0;  // jobs of one queue wait in their order; queues take turns
  bool first = false;  // somebody waits for it: before others, on the emptiest replica
  int priority = 0;    // higher goes before
  Dispatch dispatch = Dispatch::kRoundRobin;

  // A replica with room may take it over from the one that it waits for.
  bool movable() const { return first || dispatch == Dispatch::kLeastWork; }
};

// What the choice looks at.
struct ReplicaLoad {
  double outstanding = 0;  // estimated cost of its jobs that are not over
  double speed = 0;        // cost per second of one of its slots; 0: not measured yet
  size_t num_movable = 0;  // jobs that wait for it and may be taken over
};

inline constexpr size_t kNoReplica = static_cast<size_t>(-1);

// Speeds as the choice takes them: a replica that was never measured counts as the fastest, so that
// it is tried.
inline double speed_of(const ReplicaLoad& load, double fastest) {
  return load.speed > 0 ? load.speed : fastest;
}
inline double fastest_of(const std::vector<ReplicaLoad>& loads) {
  double fastest = 0;
  for (const ReplicaLoad& load : loads) {
    if (load.speed > fastest) fastest = load.speed;
  }
  return fastest > 0 ? fastest : 1;
}

// The replica for job number `turn` of the pool; kNoReplica: there is none.
inline size_t pick_replica(const Order& order, uint64_t turn,
                           const std::vector<ReplicaLoad>& replicas) {
  if (replicas.empty()) return kNoReplica;
  const size_t start = static_cast<size_t>(turn % replicas.size());
  if (!order.movable()) return start;
  const double fastest = fastest_of(replicas);
  size_t best = start;
  double best_end = 0;
  for (size_t step = 0, i = start; step < replicas.size(); ++step) {
    const double end = (replicas[i].outstanding + order.cost) / speed_of(replicas[i], fastest);
    if (step == 0 || end < best_end) {
      best = i;
      best_end = end;
    }
    if (++i == replicas.size()) i = 0;
  }
  return best;
}

}  // namespace indextts2
