// Sessions over real pools of fake replicas with random delays and failures: order, nothing lost,
// nothing twice.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

#include "fake_backend.h"
#include "pool/replica_pool.h"
#include "session.h"

namespace indextts2 {
namespace {

using SpeechJob = Job<SpeechRequest, Wave>;

// Holds up to four segments at once and ends them in random order.
class RandomReplica {
 public:
  struct Rules {
    int max_delay_us = 0;
    int fail_every = 0;  // 0: never
    std::atomic<int>* in_flight = nullptr;
    std::atomic<int>* most_in_flight = nullptr;
  };
  RandomReplica(const Rules& rules, unsigned seed) : rules_(rules), random_(seed) {}

  void serve(JobQueue<SpeechJob>& queue) {
    for (;;) {
      if (rows_.empty()) {
        auto job = queue.pop();
        if (!job) return;
        rows_.push_back(std::move(job));
      }
      while (rows_.size() < 4) {
        auto job = queue.try_pop();
        if (!job) break;
        rows_.push_back(std::move(job));
      }
      const size_t chosen = random_() % rows_.size();
      const auto job = std::move(rows_[chosen]);
      rows_.erase(rows_.begin() + static_cast<long>(chosen));
      if (rules_.max_delay_us > 0) {
        std::this_thread::sleep_for(
            std::chrono::microseconds(random_() % static_cast<unsigned>(rules_.max_delay_us)));
      }
      end(*job);
    }
  }

  // Decided by the segment alone, so that the test can foretell it.
  static bool fails(uint64_t text_id, int segment, int fail_every) {
    return fail_every > 0 && (text_id * 31 + static_cast<uint64_t>(segment) * 7) %
                                     static_cast<uint64_t>(fail_every) ==
                                 0;
  }

 private:
  void end(SpeechJob& job) {
    const SpeechRequest& request = job.request;
    if (job.stop_requested()) {
      job.fail(cancelled_error());
    } else if (fails(request.text_id, request.segment.index, rules_.fail_every)) {
      job.fail(std::make_exception_ptr(std::runtime_error("as planned")));
    } else {
      job.deliver(FakeBackend::wave_for(request), 1);
    }
  }

  const Rules rules_;
  std::minstd_rand random_;
  std::vector<std::shared_ptr<SpeechJob>> rows_;
};

using Pool = ReplicaPool<RandomReplica, SpeechJob>;

std::shared_ptr<Pool> open_pool(int replicas, const RandomReplica::Rules& rules) {
  std::vector<Pool::Plan> factories;
  for (int i = 0; i < replicas; ++i) {
    factories.push_back([rules, i](const StopToken&) {
      return std::make_unique<RandomReplica>(rules, static_cast<unsigned>(i + 1));
    });
  }
  return Pool::open(std::move(factories));
}

SessionBackend backend_on(const std::shared_ptr<Pool>& pool, FakeBackend* fake) {
  SessionBackend backend = fake->backend(static_cast<int>(pool->size()) * 4 + 2);
  backend.submit = [pool](SpeechRequest request, SpeechDone done) {
    Order order;
    if (request.text_id % 2 == 0) order.dispatch = Dispatch::kLeastWork;
    const StopToken stop = request.stop;
    pool->submit(std::make_shared<SpeechJob>(std::move(request), stop, order, std::move(done)));
  };
  return backend;
}

// Texts of 0 to 30 segments, half of them of one, `total` segments in all.
std::vector<int> random_texts(int total, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<int> counts;
  for (int left = total; left > 0;) {
    const int count = std::min(left, random() % 2 ? 1 : static_cast<int>(random() % 31));
    counts.push_back(count);
    left -= count;
  }
  return counts;
}

// Takes all that comes and checks that it is exactly what texts of `counts` segments must give.
void expect_exact(Session& session, const std::vector<int>& counts, int fail_every,
                  const std::set<uint64_t>& cancelled) {
  uint64_t text_id = 1;
  int segment = 0;
  Wave wave;
  for (;;) {
    Next next = Next::kIdle;
    try {
      next = session.next(&wave, true);
    } catch (const Error& error) {
      ASSERT_EQ(error.text_id, text_id);
      ASSERT_EQ(error.segment, segment);
      ASSERT_TRUE(RandomReplica::fails(text_id, segment, fail_every));
      ASSERT_EQ(session.next(&wave, true), Next::kTextEnd);
      ASSERT_EQ(wave.text_id, text_id);
      ++text_id;
      segment = 0;
      continue;
    }
    if (next == Next::kEnd) break;
    ASSERT_EQ(wave.text_id, text_id);
    if (next == Next::kTextEnd) {
      if (cancelled.count(text_id) == 0) {
        ASSERT_EQ(segment, counts[text_id - 1]);
      }
      ++text_id;
      segment = 0;
      continue;
    }
    ASSERT_EQ(next, Next::kWave);
    ASSERT_EQ(wave.segment, segment);
    ASSERT_FALSE(RandomReplica::fails(text_id, segment, fail_every));
    ASSERT_EQ(wave.samples[0], static_cast<float>(text_id * 1000) + static_cast<float>(segment));
    ++segment;
  }
  EXPECT_EQ(text_id, counts.size() + 1);
}

class SessionStress : public testing::TestWithParam<int> {};

TEST_P(SessionStress, TenThousandSegmentsInOrder) {
  RandomReplica::Rules rules;
  rules.max_delay_us = GetParam() == 1 ? 5 : 100;
  const auto pool = open_pool(GetParam(), rules);
  FakeBackend fake;
  const auto session = open_session(backend_on(pool, &fake), {});
  const auto counts = random_texts(10000, static_cast<unsigned>(GetParam()));
  for (const int count : counts) session->push(text_of(count), some_voice(), {});
  session->finish();
  expect_exact(*session, counts, /*fail_every=*/0, {});
}

TEST_P(SessionStress, FailuresCancelsAndInterruptsLoseNothingElse) {
  RandomReplica::Rules rules;
  rules.max_delay_us = 20;
  rules.fail_every = 50;
  const auto pool = open_pool(GetParam(), rules);
  FakeBackend fake;
  const auto session = open_session(backend_on(pool, &fake), {});
  const auto counts = random_texts(3000, static_cast<unsigned>(GetParam()));
  std::set<uint64_t> cancelled;
  for (uint64_t id = 5; id <= counts.size(); id += 5) cancelled.insert(id);
  std::thread pusher([&] {
    for (const int count : counts) session->push(text_of(count), some_voice(), {});
    for (const uint64_t id : cancelled) session->cancel(id);
    session->finish();
  });
  std::atomic<bool> over{false};
  std::thread interrupter([&] {
    while (!over) {
      session->interrupt();
      session->resume();
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  // An interrupted next() is called again, as the element does.
  class Retrying : public Session {
   public:
    explicit Retrying(Session* inner) : inner_(inner) {}
    uint64_t push(std::string_view, std::shared_ptr<const Voice>, const SpeakOptions&) override {
      return 0;
    }
    uint64_t push(std::string_view, const VoiceOptions&, const SpeakOptions&) override { return 0; }
    Next next(Wave* wave, bool wait_when_idle) override {
      Next next = Next::kInterrupted;
      while (next == Next::kInterrupted) next = inner_->next(wave, wait_when_idle);
      return next;
    }
    bool cancel(uint64_t) override { return false; }
    void finish() override {}
    void interrupt() override {}
    void resume() override {}
    void set_schedule(Schedule) override {}

   private:
    Session* const inner_;
  } retrying(session.get());
  expect_exact(retrying, counts, rules.fail_every, cancelled);
  over = true;
  interrupter.join();
  pusher.join();
}

INSTANTIATE_TEST_SUITE_P(Replicas, SessionStress, testing::Values(1, 2, 3, 8, 17, 64));

TEST(SessionsOnOnePool, KeepTheirOwnOrder) {
  RandomReplica::Rules rules;
  rules.max_delay_us = 50;
  const auto pool = open_pool(5, rules);
  FakeBackend fake;
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 4; ++i) {
    threads.emplace_back([&, i] {
      const auto session = open_session(backend_on(pool, &fake), {});
      const auto counts = random_texts(1000, i);
      for (const int count : counts) session->push(text_of(count), some_voice(), {});
      session->finish();
      expect_exact(*session, counts, /*fail_every=*/0, {});
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(SessionsOnOnePool, ASegmentsReplicaCountsOverThePoolNotTheText) {
  std::vector<std::string> devices;
  FakeBackend fake;
  RandomReplica::Rules rules;
  const auto pool = open_pool(3, rules);
  SessionBackend backend = backend_on(pool, &fake);
  backend.submit = [pool](SpeechRequest request, SpeechDone done) {
    pool->submit(
        std::make_shared<SpeechJob>(std::move(request), StopToken(), 1.0, std::move(done)));
  };
  const auto session = open_session(std::move(backend), {});
  for (int i = 0; i < 9; ++i) session->push("a|", some_voice(), {});
  session->finish();
  expect_exact(*session, std::vector<int>(9, 1), 0, {});
  for (const auto& [name, counters, alive] : pool->info()) EXPECT_EQ(counters.done, 3u);
}

TEST(SessionsOnOnePool, ManySessionsComeAndGoUnderLoad) {
  RandomReplica::Rules rules;
  rules.max_delay_us = 200;
  FakeBackend fake;
  fake.on_read = [](const std::string&, int, const StopToken&) {
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  };
  {
    const auto pool = open_pool(4, rules);
    for (int i = 0; i < 100; ++i) {
      const auto session = open_session(backend_on(pool, &fake), {});
      session->push(text_of(1000), some_voice(), {});
      Wave wave;
      for (int k = 0; k < i % 7; ++k) EXPECT_EQ(session->next(&wave, true), Next::kWave);
    }
  }
  EXPECT_TRUE(eventually([&] { return fake.session_is_gone(); }));
}

}  // namespace
}  // namespace indextts2
