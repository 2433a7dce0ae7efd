// Which replica gets the next job.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
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
  double pace = 0;         // seconds that one of its slots takes per cost; 0: not measured yet
  size_t num_movable = 0;  // jobs that wait for it and may be taken over
};

inline constexpr size_t kNoReplica = static_cast<size_t>(-1);

// Paces as the choice takes them: a replica that was never measured counts as the fastest, so that
// it is tried.
inline double pace_of(const ReplicaLoad& load, double fastest) {
  return load.pace > 0 ? load.pace : fastest;
}
inline double fastest_of(const std::vector<ReplicaLoad>& loads) {
  double fastest = 0;
  for (const ReplicaLoad& load : loads) {
    if (load.pace > 0 && (fastest == 0 || load.pace < fastest)) fastest = load.pace;
  }
  return fastest > 0 ? fastest : 1;
}

// Paces of equal devices differ by chance, as segments do. A first one that went by such a
// difference, and not in turn, would find the next one sent after it while another replica is idle.
inline constexpr double kAlike = 1.25;  // times the fastest

// The replica for job number `turn` of the pool; kNoReplica: there is none. `fastest`: the pace of
// those that were never measured (ReplicaLoads::fastest). Two passes at most, without a division:
// 0.1 us each for 256 replicas.
inline size_t pick_replica(const Order& order, uint64_t turn,
                           const std::vector<ReplicaLoad>& replicas, double fastest) {
  if (replicas.empty()) return kNoReplica;
  const size_t start = static_cast<size_t>(turn % replicas.size());
  if (!order.movable()) return start;
  size_t best = start;
  double best_end = std::numeric_limits<double>::infinity();
  const double alike = order.dispatch == Dispatch::kRoundRobin ? kAlike * fastest_of(replicas) : 0;
  const auto look = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const double pace = std::max(alike, pace_of(replicas[i], fastest));
      const double over = (replicas[i].outstanding + order.cost) * pace;
      if (over >= best_end) continue;
      best = i;
      best_end = over;
    }
  };
  look(start, replicas.size());
  look(0, start);
  return best;
}

}  // namespace indextts2
