// Which replica gets the next job.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace indextts2 {

enum class Dispatch {
  kRoundRobin,  // job i of the pool goes to replica i mod N
  kLeastWork,   // the replica with the least estimated work outstanding; ties in round-robin order
};

// What the choice looks at.
struct ReplicaState {
  bool alive = true;
  double outstanding = 0;  // estimated cost of its jobs that are not over, in the submitter's unit
};

inline constexpr size_t kNoReplica = static_cast<size_t>(-1);

// The replica for job number `turn` of the pool. A dead replica's turns go to the next living one;
// kNoReplica: none is alive.
inline size_t pick_replica(Dispatch dispatch, uint64_t turn,
                           const std::vector<ReplicaState>& replicas) {
  size_t best = kNoReplica;
  for (size_t step = 0; step < replicas.size(); ++step) {
    const size_t i = static_cast<size_t>((turn + step) % replicas.size());
    if (!replicas[i].alive) continue;
    if (dispatch == Dispatch::kRoundRobin) return i;
    if (best == kNoReplica || replicas[i].outstanding < replicas[best].outstanding) best = i;
  }
  return best;
}

}  // namespace indextts2
