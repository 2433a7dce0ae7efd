// The choice of a replica.
#include "pool/schedule.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace indextts2 {
namespace {

Order least_work(double cost = 1) {
  Order order(cost);
  order.dispatch = Dispatch::kLeastWork;
  return order;
}

Order first(double cost = 1) {
  Order order(cost);
  order.first = true;
  return order;
}

// Replicas as (outstanding, speed); speed 0: not measured.
size_t pick(const Order& order, uint64_t turn,
            const std::vector<std::pair<double, double>>& replicas) {
  std::vector<ReplicaLoad> loads;
  for (const auto& [outstanding, speed] : replicas) {
    loads.push_back({outstanding, speed > 0 ? 1 / speed : 0});
  }
  return pick_replica(order, turn, loads, fastest_of(loads));
}

TEST(Schedule, RoundRobinGivesJobIToReplicaIModN) {
  const std::vector<std::pair<double, double>> replicas = {{9, 1}, {5, 1}, {0, 100}};
  for (uint64_t turn = 0; turn < 20; ++turn) {
    EXPECT_EQ(pick(Order(), turn, replicas), turn % 3);
  }
}

TEST(Schedule, LeastWorkAndFirstsPickTheLeast) {
  for (const Order& order : {least_work(), first()}) {
    EXPECT_EQ(pick(order, 0, {{5, 0}, {2, 0}, {3, 0}}), 1u);
    EXPECT_EQ(pick(order, 2, {{5, 0}, {2, 0}, {3, 0}}), 1u);
  }
}

TEST(Schedule, LeastWorkBreaksTiesInTurn) {
  const std::vector<std::pair<double, double>> replicas = {{1, 0}, {0, 0}, {0, 0}};
  EXPECT_EQ(pick(least_work(), 0, replicas), 1u);
  EXPECT_EQ(pick(least_work(), 2, replicas), 2u);
}

TEST(Schedule, LeastWorkWeighsBySpeed) {
  // 10 behind 90 at 10/s are over in 10 s, 10 alone at 0.5/s in 20 s.
  EXPECT_EQ(pick(least_work(10), 1, {{90, 10}, {0, 0.5}}), 0u);
  EXPECT_EQ(pick(least_work(10), 1, {{390, 10}, {0, 0.5}}), 1u);
}

TEST(Schedule, RoundRobinFirstsKeepTheTurnAmongReplicasOfAboutOneSpeed) {
  const std::vector<std::pair<double, double>> alike = {{0, 1}, {0, 1.2}, {0, 0.98}};
  for (uint64_t turn = 0; turn < 6; ++turn) EXPECT_EQ(pick(first(), turn, alike), turn % 3);
  EXPECT_EQ(pick(first(), 0, {{0, 1}, {0, 1.3}}), 1u);
  EXPECT_EQ(pick(first(), 0, {{1, 1.2}, {0, 1}}), 1u);
  EXPECT_EQ(pick(least_work(), 0, alike), 1u);
}

TEST(Schedule, AReplicaThatWasNeverMeasuredIsTried) {
  EXPECT_EQ(pick(least_work(), 0, {{1, 10}, {0, 0}}), 1u);
}

TEST(Schedule, NobodyIsNoReplica) {
  EXPECT_EQ(pick(Order(), 1, {}), kNoReplica);
  EXPECT_EQ(pick(least_work(), 1, {}), kNoReplica);
}

}  // namespace
}  // namespace indextts2
