// Pools of fake replicas: who gets what, what happens to jobs whose replica fails, opening and
// closing.
#include "pool/replica_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "fake_replica.h"

namespace indextts2 {
namespace {

using Pool = ReplicaPool<FakeReplica, FakeJob>;

// Notes outcomes by request. Thread-safety: safe.
class Notes {
 public:
  std::shared_ptr<FakeJob> job(int request, double cost = 1, StopToken stop = {}) {
    return std::make_shared<FakeJob>(request, std::move(stop), cost,
                                     [this, request](int value, std::exception_ptr error) {
                                       std::lock_guard<std::mutex> lock(mutex_);
                                       ++times_[request];
                                       values_[request] = value;
                                       errors_[request] = std::move(error);
                                       ++num_over_;
                                     });
  }
  int num_over() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return num_over_;
  }
  int times(int request) { return times_[request]; }
  int value(int request) { return values_[request]; }
  std::exception_ptr error(int request) { return errors_[request]; }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::map<int, int> times_, values_;
  std::map<int, std::exception_ptr> errors_;
  int num_over_ = 0;
};

std::vector<Pool::Factory> factories(int count, std::function<void(int replica, FakeJob&)> work) {
  std::vector<Pool::Factory> all;
  for (int i = 0; i < count; ++i) {
    all.push_back([work, i](const StopToken&) {
      return std::make_unique<FakeReplica>([work, i](FakeJob& job) {
        if (work) work(i, job);
      });
    });
  }
  return all;
}

std::string message_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST(ReplicaPool, RoundRobinCountsOverThePool) {
  std::vector<std::atomic<int>> who(20);
  Notes notes;
  const auto pool =
      Pool::open(factories(3, [&](int replica, FakeJob& job) { who[job.request] = replica; }));
  EXPECT_EQ(pool->size(), 3u);
  for (int i = 0; i < 20; ++i) pool->submit(notes.job(i), Dispatch::kRoundRobin);
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 20; }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who[i], i % 3) << i;
}

TEST(ReplicaPool, LeastWorkGoesWhereLeastIsOutstanding) {
  std::atomic<bool> go{false};
  std::vector<std::atomic<int>> who(6);
  Notes notes;
  const auto pool = Pool::open(factories(3, [&](int replica, FakeJob& job) {
    who[job.request] = replica;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  const double costs[] = {10, 4, 3, 2,
                          4,  1};  // ends at 10+1 | 4+4 | 3+2: 10 | 8 | 5, then the 1 goes to the 5
  for (int i = 0; i < 6; ++i) pool->submit(notes.job(i, costs[i]), Dispatch::kLeastWork);
  go = true;
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 6; }));
  const int expected[] = {0, 1, 2, 2, 1, 2};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(who[i], expected[i]) << i;
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
      pool->submit(notes.job(i), i % 2 ? Dispatch::kRoundRobin : Dispatch::kLeastWork);
    }
    ASSERT_TRUE(eventually([&] { return notes.num_over() == num_jobs; }));
    for (int i = 0; i < num_jobs; ++i) {
      ASSERT_EQ(notes.times(i), 1) << i;
      ASSERT_EQ(notes.error(i) != nullptr, i % 97 == 0) << i;
      ASSERT_EQ(notes.value(i), i % 97 == 0 ? 0 : i * 10);
    }
    uint64_t done = 0, failed = 0;
    for (const auto& [counters, alive] : pool->counters()) {
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
  for (int i = 0; i < 10; ++i) pool->submit(notes.job(i), Dispatch::kRoundRobin);
  go = true;
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 10; }));
  ASSERT_TRUE(notes.error(0));
  EXPECT_EQ(message_of(notes.error(0)), "replica 0 fell over");
  for (int i = 1; i < 10; ++i) EXPECT_EQ(notes.value(i), i * 10) << i;
  EXPECT_FALSE(pool->counters()[0].second);
  for (int i = 10; i < 14; ++i) pool->submit(notes.job(i), Dispatch::kRoundRobin);
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 14; }));
  for (int i = 10; i < 14; ++i) EXPECT_EQ(notes.value(i), i * 10) << i;
}

TEST(ReplicaPool, WithTheLastReplicaAllJobsFail) {
  Notes notes;
  const auto pool = Pool::open(
      factories(2, [](int, FakeJob&) { throw Error(ErrorCode::kDeviceLost, "device lost"); }));
  for (int i = 0; i < 20; ++i) pool->submit(notes.job(i), Dispatch::kRoundRobin);
  ASSERT_TRUE(eventually([&] { return notes.num_over() == 20; }));
  pool->submit(notes.job(20), Dispatch::kLeastWork);
  EXPECT_EQ(notes.num_over(), 21);
  for (int i = 0; i <= 20; ++i) {
    EXPECT_EQ(notes.times(i), 1);
    EXPECT_EQ(code_of(notes.error(i)), ErrorCode::kDeviceLost) << i;
  }
}

TEST(ReplicaPool, ConstructionFailureReachesTheOpener) {
  std::vector<Pool::Factory> all = factories(7, nullptr);
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

  std::vector<Pool::Factory> slow = {[](const StopToken& closing) {
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
  std::vector<Pool::Factory> all;
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
  for (int i = 0; i < 1000; ++i) pool->submit(notes.job(i), Dispatch::kRoundRobin);
  ASSERT_TRUE(eventually([&] {
    int drawn = 0;
    for (const auto& [counters, _] : pool->counters()) drawn += counters.busy_seconds > 0;
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
  pool->submit(std::make_shared<FakeJob>(1, StopToken(), 1.0,
                                         [holder, &over](int, std::exception_ptr) {
                                           *holder = nullptr;
                                           over = true;
                                         }),
               Dispatch::kRoundRobin);
  pool = nullptr;
  EXPECT_GT(FakeReplica::alive(), 0);
  go = true;
  EXPECT_TRUE(eventually([&] { return over.load(); }));
  EXPECT_TRUE(eventually([] { return FakeReplica::alive() == 0; }));
}

}  // namespace
}  // namespace indextts2
