// Where the jobs of a pool are booked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/stop_token.h"
#include "pool/schedule.h"

namespace indextts2 {

// What a job made.
struct JobYield {
  double units = 0;  // e.g. seconds of sound
  double codes = 0;
};

// Counters of one replica, as stats show them.
struct ReplicaCounters {
  uint64_t done = 0;    // jobs that ended with a result
  uint64_t failed = 0;  // jobs that ended with an error, cancelled ones included
  double units = 0;     // sums of JobYield over the done jobs
  double codes = 0;
  double busy_seconds = 0;  // time in which the replica had at least one job
  double open_seconds = 0;  // time since it was opened
  double outstanding = 0;   // estimated cost of the jobs that are not over
  int queued = 0;           // jobs waiting or in work
  int running = 0;          // of these, in work
};

class JobBook;

// What a replica's threads and its watchers tell each other without a lock.
struct ReplicaSigns {
  std::atomic<uint64_t> pulse{0};   // grows as long as the replica works on its jobs
  std::atomic<bool> broken{false};  // it has failed or was closed: what it drops is no bug of it
};

// One attempt's entry in the book. Guarded by the book once it was submitted, but for what the
// replica reads: that is written before the replica sees the job.
struct JobSlip {
  enum class State { kNew, kWaiting, kDrawn, kGone };

  Order order;
  State state = State::kNew;
  size_t seat = kNoReplica;
  double submitted_at = 0, drawn_at = 0;
  std::weak_ptr<JobBook> book;
  // The replica's.
  StopToken closing;
  std::shared_ptr<ReplicaSigns> signs;
};

// Thread-safety: safe.
class JobBook {
 public:
  virtual ~JobBook() = default;
  // The attempt is over.
  virtual void ended(JobSlip& slip, bool ok, const JobYield& yield) = 0;
};

}  // namespace indextts2
