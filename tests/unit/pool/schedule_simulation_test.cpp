// How well the schedule fills its replicas, on a virtual clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "pool_simulation.h"

namespace indextts2 {
namespace {

constexpr int kDraws = 20;  // of lengths; figures are means over them

struct Efficiency {
  double of_bound = 0;   // lower bound of the time / time
  double of_greedy = 0;  // time of list scheduling by exact lengths / time
};

// Each length on the replica that is free first, in order.
double greedy(const std::vector<double>& lengths, size_t replicas) {
  std::vector<double> ends(replicas, 0);
  for (const double length : lengths) *std::min_element(ends.begin(), ends.end()) += length;
  return *std::max_element(ends.begin(), ends.end());
}

// Estimates err by a quarter (one standard deviation).
Efficiency efficiency(size_t replicas, size_t per_replica, Dispatch dispatch) {
  Efficiency mean;
  for (int draw = 0; draw < kDraws; ++draw) {
    const auto seed = static_cast<uint64_t>(draw * 1000) + replicas;
    SimulatedText text;
    text.codes = lognormal_lengths(replicas * per_replica, 100, 0.5, seed);
    text.estimates = lognormal_lengths(text.codes.size(), 1, 0.25, seed + 500);
    for (size_t i = 0; i < text.codes.size(); ++i) text.estimates[i] *= text.codes[i];
    text.dispatch = dispatch;
    // A kept slot would be a second worker for the first segment.
    const double time = simulate(std::vector<SimulatedReplica>(replicas), {text}).seconds;
    const double all = std::accumulate(text.codes.begin(), text.codes.end(), 0.0);
    const double longest = *std::max_element(text.codes.begin(), text.codes.end());
    mean.of_bound += std::max(all / static_cast<double>(replicas), longest) / time / kDraws;
    mean.of_greedy += greedy(text.codes, replicas) / time / kDraws;
  }
  std::printf("%3zu replicas, %2zu segments each, %s: %.3f of the bound, %.3f of greedy\n",
              replicas, per_replica,
              dispatch == Dispatch::kLeastWork ? "least-work " : "round-robin", mean.of_bound,
              mean.of_greedy);
  return mean;
}

TEST(ScheduleSimulation, LeastWorkComesCloseToExactKnowledge) {
  for (const size_t replicas : {1, 2, 8, 64, 256}) {
    EXPECT_GE(efficiency(replicas, 8, Dispatch::kLeastWork).of_greedy, 0.98) << replicas;
    efficiency(replicas, 8, Dispatch::kRoundRobin);
  }
}

TEST(ScheduleSimulation, LeastWorkComesCloseToTheBound) {
  EXPECT_GE(efficiency(8, 8, Dispatch::kLeastWork).of_bound, 0.88);
  EXPECT_GE(efficiency(64, 64, Dispatch::kLeastWork).of_bound, 0.95);
  efficiency(64, 64, Dispatch::kRoundRobin);
}

TEST(ScheduleSimulation, DevicesOfDifferentSpeedsShareByTheirSpeed) {
  std::vector<SimulatedReplica> replicas(4);
  replicas[2].step_seconds = 3;
  replicas[3].step_seconds = 40;  // a CPU beside GPUs
  SimulatedText text;
  text.codes = text.estimates = lognormal_lengths(400, 100, 0.5, 7);
  text.dispatch = Dispatch::kLeastWork;
  const double all = std::accumulate(text.codes.begin(), text.codes.end(), 0.0);
  const double bound = all / (1 + 1 + 1.0 / 3 + 1.0 / 40);
  const double least_work = simulate(replicas, {text}).seconds;
  text.dispatch = Dispatch::kRoundRobin;
  const double round_robin = simulate(replicas, {text}).seconds;
  std::printf("1 : 1 : 1/3 : 1/40: least-work %.3f, round-robin %.3f of the bound\n",
              bound / least_work, bound / round_robin);
  EXPECT_GE(bound / least_work, 0.8);
  EXPECT_LT(least_work, round_robin / 5);
}

// A book of 1,000 segments, and announcements that come meanwhile.
TEST(ScheduleSimulation, ABookNeverDelaysAFirstSegment) {
  SimulatedReplica replica;
  replica.slots = 8;
  replica.step_seconds = 0.005;
  replica.row_seconds = 0.0005;
  std::vector<SimulatedText> texts(21);
  texts[0].codes = texts[0].estimates = lognormal_lengths(1000, 400, 0.5, 3);
  for (size_t i = 1; i < texts.size(); ++i) {
    texts[i].arrival = 5.0 * static_cast<double>(i);
    texts[i].codes = texts[i].estimates = lognormal_lengths(3, 150, 0.3, i);
  }
  for (const Dispatch dispatch : {Dispatch::kRoundRobin, Dispatch::kLeastWork}) {
    for (SimulatedText& text : texts) text.dispatch = dispatch;
    const SimulatedRun run = simulate(std::vector<SimulatedReplica>(4, replica), texts);
    for (size_t i = 1; i < texts.size(); ++i) EXPECT_LE(run.first_waited[i], 0.010) << i;
  }
}

}  // namespace
}  // namespace indextts2
