// Replicas that throw, break or hang; replicas that come and go.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>

#include "notes.h"
#include "pool/replica_pool.h"
#include "slot_replica.h"

namespace indextts2 {
namespace {

using Pool = ReplicaPool<SlotReplica, FakeJob>;
using OnStep = SlotReplica::OnStep;

Pool::Plan plan(const std::string& name, OnStep on_step = nullptr) {
  return {name, [on_step](const StopToken&) {
            return std::make_unique<SlotReplica>(2, std::chrono::microseconds(200), on_step);
          }};
}

// Losses as they are told. Thread-safety: safe.
class Losses {
 public:
  OnReplicaLost on_lost() {
    return [this](const LostReplica& lost) {
      std::lock_guard<std::mutex> lock(mutex_);
      names_.push_back(lost.name + " " + std::to_string(lost.left));
    };
  }
  std::vector<std::string> names() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;  // guards names_
  std::vector<std::string> names_;
};

OnStep throw_at(int step) {
  return [count = std::make_shared<std::atomic<int>>(0), step](JobQueue<FakeJob>&, size_t) {
    if (++*count == step) throw Error(ErrorCode::kNoMemory, "injected");
  };
}

void expect_all(Notes& notes, int count) {
  for (int i = 1; i <= count; ++i) {
    EXPECT_EQ(notes.times(i), 1) << i;
    EXPECT_EQ(notes.value(i), i * 10) << i;
  }
}

TEST(Loss, WhatAThrowingReplicaHadIsSpokenElsewhere) {
  Losses losses;
  Notes notes;
  PoolOpenOptions options;
  options.hooks.on_lost = losses.on_lost();
  const auto pool = Pool::open({plan("a", throw_at(7)), plan("b"), plan("c")}, options);
  for (int i = 1; i <= 60; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 60; }));
  expect_all(notes, 60);
  ASSERT_TRUE(eventually([&] { return losses.names().size() == 1; }));
  EXPECT_EQ(losses.names()[0], "a 2");
  EXPECT_EQ(pool->size(), 2u);
  EXPECT_FALSE(pool->info()[0].alive);
}

TEST(Loss, AnotherThreadOfAReplicaMaySayThatItIsBroken) {
  Losses losses;
  Notes notes;
  PoolOpenOptions options;
  options.hooks.on_lost = losses.on_lost();
  std::atomic<bool> told{false};
  const auto pool = Pool::open({plan("a",
                                     [&](JobQueue<FakeJob>& queue, size_t) {
                                       if (told.exchange(true)) return;
                                       queue.fail_replica(std::make_exception_ptr(
                                           Error(ErrorCode::kDeviceLost, "renderer")));
                                     }),
                                plan("b")},
                               options);
  for (int i = 1; i <= 20; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 20; }));
  expect_all(notes, 20);
  EXPECT_TRUE(eventually([&] { return losses.names() == std::vector<std::string>{"a 1"}; }));
}

TEST(Loss, AReplicaThatHangsIsGivenUpAndWhatItSaysLaterIsNotHeard) {
  Losses losses;
  Notes notes;
  std::atomic<bool> hang{true}, woken{false};
  PoolOpenOptions options;
  options.hooks.on_lost = losses.on_lost();
  options.hooks.stall_seconds = 0.2;
  const auto pool = Pool::open({plan("a",
                                     [&](JobQueue<FakeJob>&, size_t) {
                                       while (hang) {
                                         std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                       }
                                       woken = true;
                                     }),
                                plan("b")},
                               options);
  for (int i = 1; i <= 20; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 20; }));
  expect_all(notes, 20);
  EXPECT_EQ(losses.names(), std::vector<std::string>{"a 1"});
  try {
    pool->add({plan("a")});
    ADD_FAILURE() << "it still hangs";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kDeviceLost);
  }
  hang = false;
  ASSERT_TRUE(eventually([&] { return woken.load(); }));
  ASSERT_TRUE(eventually([&] {
    try {
      pool->add({plan("a")});
      return true;
    } catch (const Error&) {
      return false;
    }
  }));
  EXPECT_EQ(pool->size(), 2u);
  for (int i = 21; i <= 40; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 40; }));
  expect_all(notes, 40);
}

TEST(Loss, ASlowReplicaIsNotAHangingOne) {
  Losses losses;
  Notes notes;
  PoolOpenOptions options;
  options.hooks.on_lost = losses.on_lost();
  options.hooks.stall_seconds = 0.4;
  const auto pool = Pool::open(
      {plan("slow", [](JobQueue<FakeJob>&,
                       size_t) { std::this_thread::sleep_for(std::chrono::milliseconds(50)); })},
      options);
  pool->submit(notes.job(20));  // a second of work, with signs of life
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // idle is no stall either
  EXPECT_EQ(losses.names().size(), 0u);
  EXPECT_EQ(pool->size(), 1u);
}

TEST(Loss, AJobThatBreaksReplicasDoesNotBreakAllOfThem) {
  Notes notes;
  std::vector<Pool::Plan> plans;
  for (int i = 0; i < 6; ++i) {
    plans.push_back(plan(std::to_string(i), [](JobQueue<FakeJob>&, size_t rows) {
      if (rows > 0) throw Error(ErrorCode::kNoMemory, "too big");
    }));
  }
  const auto pool = Pool::open(std::move(plans));
  pool->submit(notes.job(1));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 1; }));
  EXPECT_EQ(code_of(notes.error(1)), ErrorCode::kNoMemory);
  EXPECT_TRUE(eventually([&] { return pool->size() == 3; }));
}

TEST(Loss, TheLastOneEndsAllWithItsError) {
  Notes notes;
  const auto pool = Pool::open({plan("a", throw_at(3)), plan("b", throw_at(30))});
  for (int i = 1; i <= 100; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 100; }));
  int failed = 0;
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(notes.times(i), 1) << i;
    if (!notes.error(i)) continue;
    ++failed;
    EXPECT_EQ(code_of(notes.error(i)), ErrorCode::kNoMemory);
  }
  EXPECT_GT(failed, 0);
  pool->add({plan("a")});  // and the pool can be used again
  pool->submit(notes.job(101));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 101; }));
  EXPECT_EQ(notes.value(101), 1010);
}

TEST(ComeAndGo, SegmentsFinishBeforeAReplicaLeaves) {
  Notes notes;
  Losses losses;
  PoolOpenOptions options;
  options.hooks.on_lost = losses.on_lost();
  const auto pool = Pool::open({plan("a"), plan("b")}, options);
  int submitted = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 10; ++i) pool->submit(notes.job(++submitted));
    pool->remove("b");
    EXPECT_EQ(pool->size(), 1u);
    EXPECT_EQ(pool->info().size(), 1u);
    pool->add({plan("b")});
    EXPECT_EQ(pool->size(), 2u);
  }
  ASSERT_TRUE(eventually([&] { return notes.num_over() == submitted; }));
  expect_all(notes, submitted);
  EXPECT_TRUE(losses.names().empty());
}

TEST(ComeAndGo, TheLastAndTheUnknownStay) {
  const auto pool = Pool::open({plan("a"), plan("b")});
  EXPECT_THROW(pool->remove("c"), Error);
  pool->remove("a");
  try {
    pool->remove("b");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSettings);
  }
  EXPECT_EQ(pool->size(), 1u);
}

TEST(ComeAndGo, AReplicaThatCannotBeBuiltChangesNothing) {
  Losses losses;
  Notes notes;
  PoolOpenOptions options;
  options.hooks.on_lost = losses.on_lost();
  const auto pool = Pool::open({plan("a")}, options);
  const Pool::Plan bad("b", [](const StopToken&) -> std::unique_ptr<SlotReplica> {
    throw Error(ErrorCode::kNoMemory, "does not fit");
  });
  EXPECT_THROW(pool->add({plan("c"), bad}), Error);
  EXPECT_EQ(pool->size(), 1u);
  for (int i = 1; i <= 10; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 10; }));
  expect_all(notes, 10);
  EXPECT_TRUE(losses.names().empty());
  EXPECT_EQ(pool->info().size(), 1u);
}

}  // namespace
}  // namespace indextts2
