// A replica with slots: several jobs at the same time, one step of all of them at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "fake_replica.h"

namespace indextts2 {

// A job takes as many steps as its request says. One slot more than `batch`, for firsts.
class SlotReplica {
 public:
  // Called before each step with the number of jobs in work; may throw.
  using OnStep = std::function<void(JobQueue<FakeJob>& queue, size_t rows)>;
  SlotReplica(size_t batch, std::chrono::microseconds step, OnStep on_step = nullptr)
      : batch_(batch), step_(step), on_step_(std::move(on_step)) {}

  void serve(JobQueue<FakeJob>& queue) {
    for (;;) {
      while (rows_.size() <= batch_) {
        auto job = rows_.empty() ? queue.pop() : queue.try_pop(rows_.size() == batch_);
        if (!job) break;
        rows_.push_back({std::move(job), 0});
      }
      if (rows_.empty()) return;
      if (on_step_) on_step_(queue, rows_.size());
      std::this_thread::sleep_for(step_);
      std::vector<Row> going_on;
      for (Row& row : rows_) {
        if (row.job->stop_requested()) {
          row.job->fail(cancelled_error());
        } else if (++row.steps >= row.job->request) {
          row.job->deliver(row.job->request * 10, /*units=*/0.5);
        } else {
          going_on.push_back(std::move(row));
        }
      }
      rows_ = std::move(going_on);
    }
  }

 private:
  struct Row {
    std::shared_ptr<FakeJob> job;
    int steps = 0;
  };
  const size_t batch_;
  const std::chrono::microseconds step_;
  const OnStep on_step_;
  std::vector<Row> rows_;
};

}  // namespace indextts2
