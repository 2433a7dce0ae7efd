// A job ends exactly once, whatever a replica does with it.
#include "pool/job_queue.h"

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <thread>

#include "fake_replica.h"

namespace indextts2 {
namespace {

struct Outcome {
  int times = 0, value = 0;
  std::exception_ptr error;
};

std::shared_ptr<FakeJob> job_for(Outcome* outcome, int request = 1, StopToken stop = {},
                                 double cost = 1) {
  return std::make_shared<FakeJob>(request, std::move(stop), cost,
                                   [outcome](int value, std::exception_ptr error) {
                                     ++outcome->times;
                                     outcome->value = value;
                                     outcome->error = std::move(error);
                                   });
}

TEST(JobQueue, GivesJobsInOrder) {
  JobQueue<FakeJob> queue;
  Outcome outcomes[3];
  for (int i = 0; i < 3; ++i) queue.push(job_for(&outcomes[i], i));
  for (int i = 0; i < 3; ++i) {
    const auto job = i == 0 ? queue.pop() : queue.try_pop();
    ASSERT_TRUE(job);
    EXPECT_EQ(job->request, i);
    EXPECT_TRUE(job->deliver(i + 100, 0));
    EXPECT_FALSE(job->deliver(0, 0));
    EXPECT_FALSE(job->fail(cancelled_error()));
  }
  EXPECT_FALSE(queue.try_pop());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(outcomes[i].times, 1);
    EXPECT_EQ(outcomes[i].value, i + 100);
  }
}

TEST(JobQueue, PopWakesForJobsAndForClose) {
  JobQueue<FakeJob> queue;
  Outcome outcome;
  int num_drawn = 0;
  std::thread replica([&] {
    while (auto job = queue.pop()) {
      ++num_drawn;
      job->deliver(5, 0);
    }
  });
  queue.push(job_for(&outcome));
  EXPECT_TRUE(eventually([&] { return queue.counters().done == 1; }));
  EXPECT_TRUE(queue.close().empty());
  replica.join();
  EXPECT_EQ(num_drawn, 1);
  EXPECT_FALSE(queue.push(job_for(&outcome)));
}

TEST(JobQueue, CloseStopsDrawnJobsAndReturnsTheOthers) {
  JobQueue<FakeJob> queue;
  Outcome first, second;
  queue.push(job_for(&first, 1));
  queue.push(job_for(&second, 2));
  const auto drawn = queue.pop();
  const StopToken stop = drawn->stop();
  EXPECT_FALSE(stop.stop_requested());
  const auto left = queue.close();
  EXPECT_TRUE(stop.stop_requested());
  EXPECT_TRUE(drawn->stop_requested());
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0]->request, 2);
  EXPECT_FALSE(queue.pop());
  const auto again = queue.revoke_drawn();
  EXPECT_FALSE(drawn->deliver(5, 0));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0]->request, 1);
  EXPECT_TRUE(again[0]->deliver(6, 0));
  EXPECT_EQ(first.times, 1);
  EXPECT_EQ(first.value, 6);
  EXPECT_EQ(second.times, 0);
}

TEST(JobQueue, CancelledJobsNeverReachTheReplica) {
  JobQueue<FakeJob> queue;
  StopSource stop;
  Outcome cancelled, alive;
  queue.push(job_for(&cancelled, 1, stop.token()));
  queue.push(job_for(&alive, 2));
  stop.request_stop();
  const auto job = queue.pop();
  EXPECT_EQ(job->request, 2);
  EXPECT_EQ(cancelled.times, 1);
  EXPECT_EQ(code_of(cancelled.error), ErrorCode::kCancelled);
  job->deliver(0, 0);
}

TEST(JobQueue, ADroppedJobFails) {
  JobQueue<FakeJob> queue;
  Outcome outcome;
  queue.push(job_for(&outcome));
  queue.pop();
  EXPECT_EQ(outcome.times, 1);
  EXPECT_EQ(code_of(outcome.error), ErrorCode::kInternal);
}

TEST(JobQueue, AJobLostInAnExceptionThatServeSurvivesFails) {
  JobQueue<FakeJob> queue;
  Outcome lost, next;
  queue.push(job_for(&lost, 1));
  try {
    const auto job = queue.pop();
    throw std::runtime_error("swallowed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(lost.times, 0);
  queue.push(job_for(&next, 2));
  const auto job = queue.pop();
  EXPECT_EQ(lost.times, 1);
  EXPECT_EQ(job->request, 2);
  job->deliver(0, 0);
}

TEST(JobQueue, CountsWhatIsOutstanding) {
  JobQueue<FakeJob> queue;
  Outcome outcomes[3];
  StopSource stop;
  queue.push(job_for(&outcomes[0], 0, {}, 2.5));
  queue.push(job_for(&outcomes[1], 1, stop.token(), 4));
  queue.push(job_for(&outcomes[2], 2, {}, 0.1));
  EXPECT_DOUBLE_EQ(queue.counters().outstanding, 6.6);
  EXPECT_EQ(queue.counters().queued, 3);
  const auto first = queue.pop();
  EXPECT_EQ(queue.counters().queued, 3);
  first->deliver(0, /*units=*/1.5);
  stop.request_stop();
  queue.pop()->fail(cancelled_error());
  const ReplicaCounters counters = queue.counters();
  EXPECT_EQ(counters.done, 1u);
  EXPECT_EQ(counters.failed, 2u);
  EXPECT_EQ(counters.units, 1.5);
  EXPECT_EQ(counters.queued, 0);
  EXPECT_EQ(counters.outstanding, 0);
}

}  // namespace
}  // namespace indextts2
