// What the pool itself costs: replicas on threads of their own that sleep by a virtual clock for as
// long as a segment would take, so that one thread runs at a time and nothing but the pool and the
// clock is measured.
//
//   bench_pool [SEGMENTS [ROUNDS]]      default 20000 for each number of replicas, 5 rounds
//
// Lengths are lognormal with sigma 0.5, the window is a session's, 4 x replicas + 2, and the sound
// leaves in order. For each number of replicas and schedule a line of
// JSON with medians over the rounds, which take turns:
//   cpu_us           processor time of the process per segment, all wake-ups included
//   clock_us         of that, what the same threads cost with the clock alone
//   slot_to_job_us   p50, p99: from the end of a job, its delivery included, to the next in hand
//   wake_us          p50, p99: from a submission to the job in the hand of a replica that slept
//   wakes            replicas woken by a submission, per segment

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "pool/replica_pool.h"
#include "pool_simulation.h"
#include "process_time.h"
#include "virtual_clock.h"

namespace indextts2 {
namespace {

VirtualClock* g_clock = nullptr;  // of the run
double virtual_now() { return g_clock->now(); }

struct Work {
  size_t index = 0;
  double seconds = 0;       // virtual
  double submitted_at = 0;  // real
};
using WorkJob = Job<Work, int>;

// One thread at a time writes them, the driver reads them when all sleep.
struct Times {
  std::vector<double> slot_to_job, wake;  // real seconds
};

class SleepingReplica {
 public:
  explicit SleepingReplica(Times* times) : times_(times) {}
  void serve(JobQueue<WorkJob>& queue) {
    while (auto job = queue.pop()) {
      times_->wake.push_back(now_seconds() - job->request.submitted_at);
      do {
        if (!g_clock->sleep(job->request.seconds)) return job->deliver(0, 0), void();
        const double freed = now_seconds();
        job->deliver(0, /*units=*/1);
        job = queue.try_pop();
        if (job) times_->slot_to_job.push_back(now_seconds() - freed);
      } while (job);
      g_clock->tell();  // it will wait for the pool, not for the clock
    }
  }

 private:
  Times* const times_;
};

double percentile(std::vector<double> all, double share) {
  if (all.empty()) return 0;
  std::sort(all.begin(), all.end());
  return all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))];
}

// One session that speaks `total` segments.
class Driver {
 public:
  Driver(size_t replicas, size_t total, Dispatch dispatch)
      : replicas_(replicas), dispatch_(dispatch), done_(total), outstanding_(replicas) {
    seconds_ = lognormal_lengths(total, 1, 0.5, 7);
  }

  void run(ReplicaPool<SleepingReplica, WorkJob>& pool) {
    while (delivered_ < done_.size()) {
      submit(pool);
      g_clock->wake_next();
      ++ended_;
      settle();
      while (delivered_ < done_.size() && done_[delivered_]) ++delivered_;
    }
  }

 private:
  void submit(ReplicaPool<SleepingReplica, WorkJob>& pool) {
    while (next_ < done_.size() && next_ - delivered_ < 4 * replicas_ + 2) {
      Order order(100 * seconds_[next_]);
      order.dispatch = dispatch_;
      order.queue = 1;
      if (outstanding_[next_ % replicas_]++ == 0) ++busy_;
      const Work work{next_, seconds_[next_], now_seconds()};
      pool.submit(std::make_shared<WorkJob>(work, StopToken(), order,
                                            [this, i = next_](int, std::exception_ptr) {
                                              done_[i] = true;
                                              if (--outstanding_[i % replicas_] == 0) --busy_;
                                              ++reported_;
                                            }));
      ++next_;
      settle();  // one at a time
    }
  }
  // Until every replica that has work sleeps over it.
  void settle() {
    g_clock->wait([&](size_t sleepers) {
      if (reported_ < ended_) return false;
      const size_t waiting = std::min(next_ - reported_, replicas_);
      return sleepers == (dispatch_ == Dispatch::kLeastWork ? waiting : busy_.load());
    });
  }

  const size_t replicas_;
  const Dispatch dispatch_;
  std::vector<double> seconds_;
  std::vector<char> done_;
  std::vector<int> outstanding_;  // round-robin: of each replica
  std::atomic<size_t> busy_{0};   // replicas that have some
  size_t next_ = 0, delivered_ = 0, ended_ = 0;
  std::atomic<size_t> reported_{0};
};

struct Figures {
  std::vector<double> cpu, clock, slot_50, slot_99, wake_50, wake_99, wakes;
};

void run_pool(size_t replicas, size_t segments, Dispatch dispatch, Figures* figures) {
  VirtualClock clock;
  g_clock = &clock;
  Times times;
  times.slot_to_job.reserve(2 * segments);
  times.wake.reserve(2 * segments);
  std::vector<ReplicaPool<SleepingReplica, WorkJob>::Plan> plans;
  for (size_t i = 0; i < replicas; ++i) {
    plans.push_back(
        [&times](const StopToken&) { return std::make_unique<SleepingReplica>(&times); });
  }
  PoolOpenOptions options;
  options.hooks.now = virtual_now;
  auto pool = ReplicaPool<SleepingReplica, WorkJob>::open(std::move(plans), options);
  Driver(replicas, std::max(segments / 10, 8 * replicas), dispatch).run(*pool);  // warms up
  times.slot_to_job.clear();
  times.wake.clear();
  const double before = process_seconds();
  Driver(replicas, segments, dispatch).run(*pool);
  const auto count = static_cast<double>(segments);
  figures->cpu.push_back((process_seconds() - before) / count * 1e6);
  figures->slot_50.push_back(percentile(times.slot_to_job, 0.5) * 1e6);
  figures->slot_99.push_back(percentile(times.slot_to_job, 0.99) * 1e6);
  figures->wake_50.push_back(percentile(times.wake, 0.5) * 1e6);
  figures->wake_99.push_back(percentile(times.wake, 0.99) * 1e6);
  figures->wakes.push_back(static_cast<double>(times.wake.size()) / count);
  pool = nullptr;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // its threads end by themselves
}

// The same threads and sleeps without a pool.
void run_clock(size_t replicas, size_t segments, Figures* figures) {
  VirtualClock clock;
  const std::vector<double> seconds = lognormal_lengths(segments, 1, 0.5, 7);
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < replicas; ++i) {
    threads.emplace_back([&] {
      while (clock.sleep(seconds[next++ % segments])) {
      }
    });
  }
  const auto all_sleep = [&](size_t sleepers) { return sleepers == replicas; };
  double before = 0;
  for (size_t i = 0; i < segments + segments / 10; ++i) {
    if (i == segments / 10) before = process_seconds();
    clock.wait(all_sleep);
    clock.wake_next();
  }
  clock.wait(all_sleep);
  figures->clock.push_back((process_seconds() - before) / static_cast<double>(segments) * 1e6);
  clock.end();
  for (std::thread& thread : threads) thread.join();
}

void print(size_t replicas, const char* schedule, const Figures& figures) {
  const auto median = [](const std::vector<double>& all) { return percentile(all, 0.5); };
  std::printf(
      "{\"replicas\": %zu, \"schedule\": \"%s\", \"cpu_us\": %.2f, \"clock_us\": %.2f, "
      "\"slot_to_job_us\": [%.2f, %.2f], \"wake_us\": [%.1f, %.1f], \"wakes\": %.3f}\n",
      replicas, schedule, median(figures.cpu), median(figures.clock), median(figures.slot_50),
      median(figures.slot_99), median(figures.wake_50), median(figures.wake_99),
      median(figures.wakes));
}

void bench(size_t segments, int rounds) {
  std::map<std::pair<Dispatch, size_t>, Figures> all;
  const Dispatch schedules[] = {Dispatch::kRoundRobin, Dispatch::kLeastWork};
  for (int round = 0; round < rounds; ++round) {
    for (size_t replicas = 1; replicas <= 256; replicas *= 2) {
      for (const Dispatch schedule : schedules) {
        Figures& figures = all[{schedule, replicas}];
        run_pool(replicas, segments, schedule, &figures);
        run_clock(replicas, segments, &figures);
      }
    }
  }
  for (const auto& [what, figures] : all) {
    print(what.second, what.first == Dispatch::kLeastWork ? "least-work" : "round-robin", figures);
  }
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  const int segments = argc > 1 ? std::max(3000, std::atoi(argv[1])) : 20000;
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  indextts2::bench(static_cast<size_t>(segments), rounds);
  return 0;
}
