// The one place where the jobs of a pool wait and are booked: a PoolSchedule under a mutex, and the
// doors at which replicas wait for work.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/stop_token.h"
#include "pool/job.h"
#include "pool/pool_schedule.h"
#include "pool/replica_info.h"

namespace indextts2 {

enum class Wait { kNo, kForWork };

// Thread-safety: safe. Nothing is called back under its mutex. One replica is woken for a job:
// the one on which it was placed, and only if that one sleeps.
template <typename J>
class Board : public JobBook, public std::enable_shared_from_this<Board<J>> {
 public:
  using Jobs = std::vector<std::shared_ptr<J>>;

  explicit Board(OnJobEnded on_ended = nullptr, double (*now)() = now_seconds)
      : on_ended_(std::move(on_ended)), now_(now) {}

  // A seat for a replica; jobs are placed on it from open_seat on.
  size_t add_seat(std::string name = {});
  void open_seat(size_t index);
  size_t num_open() const;

  // False, and nothing done: no seat is open.
  bool submit(const std::shared_ptr<J>& job);

  // A job for a replica with room; null: there is none, or (with Wait::kForWork) the seat is
  // closed. Throws what fail_seat() was given. A handle that is dropped before the job is over
  // fails the job.
  std::shared_ptr<J> draw(size_t index, bool only_first, Wait wait);

  // No more jobs for it; returns those that waited. The jobs that it has drawn may be finished.
  Jobs drain_seat(size_t index);
  // The same, and asks the drawn ones to stop.
  Jobs close_seat(size_t index);
  // Of a closed seat: other attempts at the jobs that it has drawn and not ended.
  Jobs revoke_drawn(size_t index);
  static int losses(const J& job) { return job.losses(); }
  // Wakes the replica's draw with an exception: another of its threads has found it broken.
  void fail_seat(size_t index, std::exception_ptr fault);

  bool broken(size_t index) const;
  bool closed(size_t index) const;
  // Counts signs of life of a replica that has jobs in work; nothing: it has none.
  std::optional<uint64_t> pulse(size_t index) const;
  ReplicaCounters counters(size_t index) const;

  void ended(JobSlip& slip, bool ok, const JobYield& yield) override;

 private:
  struct Seat {
    std::string name;
    std::condition_variable wake;
    bool closed = false;
    std::exception_ptr fault;
    StopSource closing;
    Jobs drawn;  // some may be over
    ReplicaCounters counters;
    double busy_since = 0, opened_at = 0;
    uint64_t beats = 0;  // jobs drawn and ended: signs of life, too
    std::shared_ptr<ReplicaSigns> signs = std::make_shared<ReplicaSigns>();
  };

  static std::exception_ptr dropped();
  static std::shared_ptr<J> handle(const std::shared_ptr<J>& job);

  // Under the mutex.
  ReplicaCounters counters_now(size_t index) const;
  Seat* place(const std::shared_ptr<J>& job);  // null: no seat is open
  std::shared_ptr<J> take(size_t index, bool only_first, bool* drawn);
  Jobs close(size_t index);
  void leave(JobSlip& slip, bool measured = false);
  void forget_ended(Seat& seat, Jobs* lost);

  const OnJobEnded on_ended_;
  double (*const now_)();
  mutable std::mutex mutex_;  // guards all below; never held while a job ends
  PoolSchedule<std::shared_ptr<J>> schedule_;
  std::deque<std::unique_ptr<Seat>> seats_;
};

}  // namespace indextts2

#include "pool/board_tmpl.h"
