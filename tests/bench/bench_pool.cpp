// What the pool itself costs: replicas that do nothing, on threads of their own.
//
//   bench_pool [SEGMENTS]      default 20000 for each number of replicas, fewer where they sleep
//
// For each number of replicas and schedule, lines of JSON: process CPU time per segment, wake-ups
// included, and the time from a freed slot to the next job while jobs wait (percentiles). With
// work_ms 0 a segment takes no time, and the replicas fight for the processors; with work_ms 10 a
// replica sleeps that long for each, as one does that waits for its GPU.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "pool/replica_pool.h"
#include "process_time.h"

namespace indextts2 {
namespace {

using NoJob = Job<int, int>;

// Gaps of all replicas. Thread-safety: safe.
class Gaps {
 public:
  void add(const std::vector<double>& seconds) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_.insert(all_.end(), seconds.begin(), seconds.end());
  }
  double percentile(double share) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (all_.empty()) return 0;
    std::sort(all_.begin(), all_.end());
    return all_[static_cast<size_t>(share * static_cast<double>(all_.size() - 1))];
  }

 private:
  std::mutex mutex_;  // guards all_
  std::vector<double> all_;
};

// Ends each job at once.
class IdleReplica {
 public:
  IdleReplica(Gaps* gaps, int work_ms) : gaps_(gaps), work_ms_(work_ms) {}
  ~IdleReplica() { gaps_->add(seconds_); }
  void serve(JobQueue<NoJob>& queue) {
    while (auto job = queue.pop()) {
      do {
        if (work_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(work_ms_));
        job->deliver(0, 1);
        job = nullptr;
        const double freed = now_seconds();
        job = queue.try_pop();
        if (job) seconds_.push_back(now_seconds() - freed);
      } while (job);
    }
  }

 private:
  Gaps* gaps_;
  const int work_ms_;
  std::vector<double> seconds_;
};

// Keeps as many segments in flight as a session would: 4 * replicas + 2.
class Submitter {
 public:
  Submitter(int window, int total) : window_(window), total_(total) {}
  void run(ReplicaPool<IdleReplica, NoJob>& pool, Dispatch dispatch) {
    for (int i = 0; i < total_; ++i) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return in_flight_ < window_; });
        ++in_flight_;
      }
      Order order(100 + i % 50);
      order.dispatch = dispatch;
      order.queue = static_cast<uint64_t>(i % 7);
      pool.submit(std::make_shared<NoJob>(i, StopToken(), order, [this](int, std::exception_ptr) {
        std::lock_guard<std::mutex> lock(mutex_);
        --in_flight_;
        changed_.notify_one();
      }));
    }
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ == 0; });
  }

 private:
  const int window_, total_;
  std::mutex mutex_;  // guards in_flight_
  std::condition_variable changed_;
  int in_flight_ = 0;
};

void bench(int replicas, Dispatch dispatch, int segments, int work_ms) {
  if (work_ms > 0) segments = std::min(segments, replicas * 100);
  Gaps gaps;
  double cpu = 0;
  {
    std::vector<ReplicaPool<IdleReplica, NoJob>::Plan> plans;
    for (int i = 0; i < replicas; ++i) {
      plans.push_back([&gaps, work_ms](const StopToken&) {
        return std::make_unique<IdleReplica>(&gaps, work_ms);
      });
    }
    const auto pool = ReplicaPool<IdleReplica, NoJob>::open(std::move(plans));
    Submitter(4 * replicas + 2, segments / 10).run(*pool, dispatch);
    const double before = process_seconds();
    Submitter(4 * replicas + 2, segments).run(*pool, dispatch);
    cpu = process_seconds() - before;
  }
  // The replicas end on their own threads; their gaps come with them.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  std::printf(
      "{\"replicas\": %d, \"work_ms\": %d, \"schedule\": \"%s\", \"cpu_us_per_segment\": %.2f, "
      "\"slot_to_job_us_p50\": %.2f, \"slot_to_job_us_p99\": %.2f}\n",
      replicas, work_ms, dispatch == Dispatch::kLeastWork ? "least-work" : "round-robin",
      1e6 * cpu / segments, 1e6 * gaps.percentile(0.5), 1e6 * gaps.percentile(0.99));
  std::fflush(stdout);
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  const int segments = argc > 1 ? std::max(1000, std::atoi(argv[1])) : 20000;
  for (const auto dispatch : {indextts2::Dispatch::kRoundRobin, indextts2::Dispatch::kLeastWork}) {
    for (int replicas = 1; replicas <= 256; replicas *= 2) {
      indextts2::bench(replicas, dispatch, segments, /*work_ms=*/0);
      indextts2::bench(replicas, dispatch, segments, /*work_ms=*/10);
    }
  }
  return 0;
}
