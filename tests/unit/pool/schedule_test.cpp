// The choice of a replica.
#include "pool/schedule.h"

#include <gtest/gtest.h>

namespace indextts2 {
namespace {

TEST(Schedule, RoundRobinGivesJobIToReplicaIModN) {
  const std::vector<ReplicaState> replicas(3, {true, 5});
  for (uint64_t turn = 0; turn < 20; ++turn) {
    EXPECT_EQ(pick_replica(Dispatch::kRoundRobin, turn, replicas), turn % 3);
  }
}

TEST(Schedule, LeastWorkPicksTheLeast) {
  EXPECT_EQ(pick_replica(Dispatch::kLeastWork, 0, {{true, 5}, {true, 2}, {true, 3}}), 1u);
  EXPECT_EQ(pick_replica(Dispatch::kLeastWork, 2, {{true, 5}, {true, 2}, {true, 3}}), 1u);
}

TEST(Schedule, LeastWorkBreaksTiesInTurn) {
  const std::vector<ReplicaState> replicas = {{true, 1}, {true, 0}, {true, 0}};
  EXPECT_EQ(pick_replica(Dispatch::kLeastWork, 0, replicas), 1u);
  EXPECT_EQ(pick_replica(Dispatch::kLeastWork, 2, replicas), 2u);
}

TEST(Schedule, TheDeadGetNothing) {
  const std::vector<ReplicaState> replicas = {{true, 9}, {false, 0}, {true, 8}};
  EXPECT_EQ(pick_replica(Dispatch::kRoundRobin, 1, replicas), 2u);
  EXPECT_EQ(pick_replica(Dispatch::kLeastWork, 1, replicas), 2u);
  EXPECT_EQ(pick_replica(Dispatch::kRoundRobin, 1, {{false, 0}, {false, 0}}), kNoReplica);
  EXPECT_EQ(pick_replica(Dispatch::kLeastWork, 1, {}), kNoReplica);
}

}  // namespace
}  // namespace indextts2
