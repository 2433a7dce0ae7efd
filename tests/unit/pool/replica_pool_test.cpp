// Pools of fake replicas: who gets what, what happens to jobs whose replica fails, opening and
// closing.
#include "pool/replica_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "fake_replica.h"
#include "notes.h"

namespace indextts2 {
namespace {

using Pool = ReplicaPool<FakeReplica, FakeJob>;

std::vector<Pool::Plan> factories(int count, std::function<void(int replica, FakeJob&)> work) {
  std::vector<Pool::Plan> all;
  for (int i = 0; i < count; ++i) {
    all.push_back([work, i](const StopToken&) {
      return std::make_unique<FakeReplica>([work, i](FakeJob& job) {
        if (work) work(i, job);
      });
    });
  }
  return all;
}

TEST(ReplicaPool, RoundRobinCountsOverThePool) {
  std::vector<std::atomic<int>> who(20);
  Notes notes;
  const auto pool =
      Pool::open(factories(3, [&](int replica, FakeJob& job) { who[job.request] = replica; }));
  EXPECT_EQ(pool->size(), 3u);
  for (int i = 0; i < 20; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 20; }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who[i], i % 3) << i;
}

TEST(ReplicaPool, EveryJobEndsOnceOnAnyNumberOfReplicas) {
  for (const int replicas : {1, 2, 7, 64}) {
    Notes notes;
    const int num_jobs = 2000;
    const auto pool = Pool::open(factories(replicas, [](int, FakeJob& job) {
      if (job.request % 97 == 0) job.fail(std::make_exception_ptr(std::runtime_error("97")));
      if (job.request % 31 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }));
    for (int i = 0; i < num_jobs; ++i) {
      pool->submit(notes.job(i, i % 2 ? Order() : least_work()));
    }
    ASSERT_TRUE(eventually([&] { return notes.num_over() == num_jobs; }));
    for (int i = 0; i < num_jobs; ++i) {
      ASSERT_EQ(notes.times(i), 1) << i;
      ASSERT_EQ(notes.error(i) != nullptr, i % 97 == 0) << i;
      ASSERT_EQ(notes.value(i), i % 97 == 0 ? 0 : i * 10);
    }
    uint64_t done = 0, failed = 0;
    for (const auto& [name, counters, alive] : pool->info()) {
      EXPECT_TRUE(alive);
      EXPECT_EQ(counters.queued, 0);
      EXPECT_EQ(counters.outstanding, 0);
      EXPECT_EQ(counters.units, 0.5 * static_cast<double>(counters.done));
      done += counters.done;
      failed += counters.failed;
    }
    EXPECT_EQ(done + failed, static_cast<uint64_t>(num_jobs));
    EXPECT_EQ(failed, static_cast<uint64_t>((num_jobs + 96) / 97));
  }
}

TEST(ReplicaPool, AReplicaThatThrowsIsGivenUpAndItsJobsGoOn) {
  std::atomic<bool> go{false};
  Notes notes;
  const auto pool = Pool::open(factories(2, [&](int replica, FakeJob& job) {
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (replica == 0 && job.request == 0) throw std::runtime_error("replica 0 fell over");
  }));
  for (int i = 0; i < 10; ++i) pool->submit(notes.job(i));
  go = true;
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 10; }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(notes.value(i), i * 10) << i;
  EXPECT_FALSE(pool->info()[0].alive);
  EXPECT_EQ(pool->size(), 1u);
  for (int i = 10; i < 14; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 14; }));
  for (int i = 10; i < 14; ++i) EXPECT_EQ(notes.value(i), i * 10) << i;
}

TEST(ReplicaPool, WithTheLastReplicaAllJobsFail) {
  Notes notes;
  const auto pool = Pool::open(
      factories(2, [](int, FakeJob&) { throw Error(ErrorCode::kDeviceLost, "device lost"); }));
  for (int i = 0; i < 20; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 20; }));
  pool->submit(notes.job(20, least_work()));
  EXPECT_EQ(notes.num_over(), 21);
  for (int i = 0; i <= 20; ++i) {
    EXPECT_EQ(notes.times(i), 1);
    EXPECT_EQ(code_of(notes.error(i)), ErrorCode::kDeviceLost) << i;
  }
}

TEST(ReplicaPool, ConstructionFailureReachesTheOpener) {
  std::vector<Pool::Plan> all = factories(7, nullptr);
  all[4] = [](const StopToken&) -> std::unique_ptr<FakeReplica> {
    throw Error(ErrorCode::kNoMemory, "replica 4 does not fit");
  };
  try {
    Pool::open(all);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kNoMemory);
  }
  EXPECT_TRUE(eventually([] { return FakeReplica::alive() == 0; }));
  EXPECT_THROW(Pool::open({}), Error);
}

TEST(ReplicaPool, OpeningReportsReplicasAndStopsOnWish) {
  std::vector<size_t> ready;
  PoolOpenOptions options;
  const auto opener = std::this_thread::get_id();
  options.on_ready = [&](size_t count) {
    EXPECT_EQ(std::this_thread::get_id(), opener);
    ready.push_back(count);
  };
  Pool::open(factories(3, nullptr), options);
  EXPECT_EQ(ready, (std::vector<size_t>{1, 2, 3}));

  std::vector<Pool::Plan> slow = {[](const StopToken& closing) {
    while (!closing.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::make_unique<FakeReplica>();
  }};
  StopSource stop;
  options.stop = stop.token();
  std::thread stopper([&] { stop.request_stop(); });
  try {
    Pool::open(slow, options);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
  stopper.join();
}

TEST(ReplicaPool, ClosingUnderLoadCancelsAndDoesNotWait) {
  Notes notes;
  std::atomic<bool> go{false};
  auto weights = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = weights;
  std::vector<Pool::Plan> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back([weights, &go](const StopToken&) {
      return std::make_unique<FakeReplica>([&go](FakeJob& job) {
        while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (job.stop_requested()) job.fail(cancelled_error());
      });
    });
  }
  weights = nullptr;
  auto pool = Pool::open(std::move(all));
  for (int i = 0; i < 1000; ++i) pool->submit(notes.job(i));
  ASSERT_TRUE(eventually([&] {
    int drawn = 0;
    for (const auto& [name, counters, alive] : pool->info()) drawn += counters.busy_seconds > 0;
    return drawn == 4;
  }));
  pool = nullptr;  // the four replicas are stuck until `go`
  EXPECT_EQ(notes.num_over(), 996);
  EXPECT_FALSE(alive.expired());
  go = true;
  EXPECT_TRUE(eventually([&] { return alive.expired(); }));
  EXPECT_EQ(notes.num_over(), 1000);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(notes.times(i), 1);
    EXPECT_EQ(code_of(notes.error(i)), ErrorCode::kCancelled);
  }
  EXPECT_EQ(FakeReplica::foreign_deaths(), 0);
}

TEST(ReplicaPool, TheLastHandleMayGoOnAWorker) {
  std::atomic<bool> go{false}, over{false};
  auto pool = Pool::open(factories(2, [&](int, FakeJob&) {
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  auto holder = std::make_shared<std::shared_ptr<Pool>>(pool);
  pool->submit(
      std::make_shared<FakeJob>(1, StopToken(), 1.0, [holder, &over](int, std::exception_ptr) {
        *holder = nullptr;
        over = true;
      }));
  pool = nullptr;
  EXPECT_GT(FakeReplica::alive(), 0);
  go = true;
  EXPECT_TRUE(eventually([&] { return over.load(); }));
  EXPECT_TRUE(eventually([] { return FakeReplica::alive() == 0; }));
}

}  // namespace
}  // namespace indextts2
