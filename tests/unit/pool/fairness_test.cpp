// Who waits for whom: turns between sessions, firsts, priorities, the kept slot.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "core/clock.h"
#include "notes.h"
#include "pool/fair_queue.h"
#include "pool/pool_schedule.h"
#include "pool/replica_pool.h"
#include "slot_replica.h"

namespace indextts2 {
namespace {

std::vector<int> drawn_from(FairQueue<int>* queue) {
  std::vector<int> all;
  for (const auto& waiting : queue->take_all()) all.push_back(waiting.item);
  return all;
}

TEST(FairQueue, UtterancesTakeTurns) {
  FairQueue<int> queue;
  for (int i = 0; i < 4; ++i) queue.push(10 + i, later_of(1));
  for (int i = 0; i < 2; ++i) queue.push(20 + i, later_of(2));
  queue.push(30, later_of(3));
  EXPECT_EQ(queue.size(), 7u);
  EXPECT_EQ(drawn_from(&queue), (std::vector<int>{10, 20, 30, 11, 21, 12, 13}));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(FairQueue, FirstsAndPrioritiesGoBefore) {
  FairQueue<int> queue;
  Order urgent = later_of(4);
  urgent.priority = 1;
  queue.push(10, later_of(1));
  queue.push(20, first_of(2));
  queue.push(30, first_of(3));
  queue.push(40, urgent);
  urgent.first = true;
  queue.push(41, urgent);
  urgent.priority = -1;
  queue.push(50, urgent);
  EXPECT_EQ(queue.num_firsts(), 4u);
  EXPECT_EQ(drawn_from(&queue), (std::vector<int>{41, 40, 20, 30, 10, 50}));
  EXPECT_EQ(queue.num_firsts(), 0u);
}

TEST(FairQueue, TakesWhatIsWanted) {
  FairQueue<int> queue;
  queue.push(10, later_of(1));
  queue.push(20, first_of(2));
  const auto first = queue.take([](const Order& order) { return order.first; });
  ASSERT_TRUE(first);
  EXPECT_EQ(first->item, 20);
  EXPECT_FALSE(queue.take([](const Order& order) { return order.first; }));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(PoolSchedule, FirstsGoToTheEmptiestAndOthersInTurn) {
  PoolSchedule<int> schedule;
  for (size_t seat = 0; seat < 3; ++seat) schedule.open_seat(schedule.add_seat());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(schedule.place(i, later_of(1)), size_t(i % 3));
  EXPECT_EQ(schedule.place(4, first_of(2)), 1u);  // 2 | 1 | 1
  EXPECT_EQ(schedule.place(5, first_of(3)), 2u);
}

TEST(PoolSchedule, LeastWorkGoesWhereLeastIsOutstanding) {
  PoolSchedule<int> schedule;
  for (size_t seat = 0; seat < 3; ++seat) schedule.open_seat(schedule.add_seat());
  // Ends at 10+1 | 4+4 | 3+2: 10 | 8 | 5, then the 1 goes to the 5.
  const double costs[] = {10, 4, 3, 2, 4, 1};
  const size_t expected[] = {0, 1, 2, 2, 1, 2};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(schedule.place(i, least_work(costs[i])), expected[i]) << i;
  }
}

TEST(PoolSchedule, OnlyWhatMayMoveIsTakenOver) {
  PoolSchedule<int> schedule;
  for (size_t seat = 0; seat < 2; ++seat) schedule.open_seat(schedule.add_seat());
  schedule.place(0, later_of(1));
  schedule.place(1, later_of(1));
  schedule.place(2, later_of(1));  // waits on 0
  ASSERT_EQ(schedule.take(1, false)->item, 1);
  EXPECT_FALSE(schedule.take(1, false)) << "round-robin: it is 0's";
  ASSERT_EQ(schedule.take(0, false)->item, 0);
  schedule.place(3, least_work(1));  // 0 has 2, so 1 gets it
  schedule.place(4, least_work(1));
  ASSERT_EQ(schedule.take(1, false)->item, 3);
  EXPECT_EQ(schedule.num_waiting(0) + schedule.num_waiting(1), 2u);
  EXPECT_EQ(schedule.take(1, false)->item, 4);
  EXPECT_FALSE(schedule.take(1, false));
  EXPECT_EQ(schedule.outstanding(1), 3);
}

TEST(PoolSchedule, ASlowReplicaTakesOverOnlyWhatItEndsSooner) {
  PoolSchedule<int> schedule;
  for (size_t seat = 0; seat < 2; ++seat) schedule.open_seat(schedule.add_seat());
  const auto measure = [&](size_t seat, double seconds) {
    schedule.ended(seat, schedule.take(seat, false)->order, seconds);
  };
  schedule.place(0, Order(10));
  schedule.place(1, Order(10));
  measure(0, 1);    // 10/s
  measure(1, 100);  // 0.1/s
  for (int i = 0; i < 50; ++i) EXPECT_EQ(schedule.place(i, least_work(10)), 0u);
  EXPECT_FALSE(schedule.take(1, false)) << "50 s there, 100 s here";
  for (int i = 0; i < 51; ++i) schedule.place(i, least_work(10));
  EXPECT_TRUE(schedule.take(1, false)) << "101 s there";
}

using Pool = ReplicaPool<SlotReplica, FakeJob>;

std::vector<Pool::Plan> slot_plans(int count, size_t batch, SlotReplica::OnStep on_step = nullptr) {
  std::vector<Pool::Plan> all;
  for (int i = 0; i < count; ++i) {
    all.push_back([batch, on_step](const StopToken&) {
      return std::make_unique<SlotReplica>(batch, std::chrono::microseconds(500), on_step);
    });
  }
  return all;
}

// The promise of Note [Fairness]: the book fills all slots but the kept one, so a new session's
// first segment is in work after one step.
TEST(Fairness, ABookNeverDelaysAFirstSegment) {
  const auto most = std::make_shared<std::atomic<size_t>>(0);
  std::atomic<size_t>& most_rows = *most;
  Notes notes;
  const auto pool = Pool::open(slot_plans(2, 4, [most](JobQueue<FakeJob>&, size_t rows) {
    size_t seen = *most;
    while (rows > seen && !most->compare_exchange_weak(seen, rows)) {
    }
  }));
  for (int i = 0; i < 1000; ++i) pool->submit(notes.job(100 + i, later_of(1)));
  ASSERT_TRUE(eventually([&] { return most_rows >= 4; }));
  EXPECT_EQ(most_rows, 4u) << "the fifth slot is kept";
  for (int i = 0; i < 5; ++i) {
    pool->submit(notes.job(1, first_of(2 + static_cast<uint64_t>(i))));
    ASSERT_TRUE(eventually([&] { return notes.times(1) == i + 1; }));
  }
  EXPECT_EQ(most_rows, 5u);
  EXPECT_LT(notes.num_over(), 900) << "the book was not waited for";
}

TEST(Fairness, PriorityGoesBefore) {
  Notes notes;
  std::atomic<bool> go{false};
  const auto pool = Pool::open(slot_plans(1, 1, [&](JobQueue<FakeJob>&, size_t) {
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  for (int i = 1; i <= 4; ++i) pool->submit(notes.job(i, later_of(1)));
  ASSERT_TRUE(eventually([&] { return pool->info()[0].counters.running == 1; }));
  Order urgent = later_of(2);
  urgent.priority = 5;
  pool->submit(notes.job(5, urgent));
  go = true;
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 5; }));
  const std::vector<int> ended = notes.ended();
  EXPECT_EQ(ended, (std::vector<int>{1, 5, 2, 3, 4}));
}

TEST(Fairness, SessionsShareReplicasByTurns) {
  Notes notes;
  std::atomic<bool> go{false};
  const auto pool = Pool::open(slot_plans(1, 1, [&](JobQueue<FakeJob>&, size_t) {
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  pool->submit(notes.job(1, later_of(1)));
  ASSERT_TRUE(eventually([&] { return pool->info()[0].counters.running == 1; }));
  for (int i = 2; i <= 9; ++i) pool->submit(notes.job(i, later_of(1)));
  for (int i = 10; i <= 12; ++i) pool->submit(notes.job(i, later_of(2)));
  go = true;
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 12; }));
  const std::vector<int> ended = notes.ended();
  // 1, then turns: the three of the second are over before the fifth of the rest.
  const auto at = [&](int job) { return std::find(ended.begin(), ended.end(), job); };
  EXPECT_LT(at(12), at(6));
}

}  // namespace
}  // namespace indextts2
