// Definitions of Board.
#pragma once

#include <algorithm>

#include "core/error.h"
#include "pool/board.h"

namespace indextts2 {

template <typename J>
size_t Board<J>::add_seat(std::string name) {
  std::lock_guard<std::mutex> lock(mutex_);
  seats_.push_back(std::make_unique<Seat>());
  seats_.back()->name = std::move(name);
  return schedule_.add_seat();
}

template <typename J>
void Board<J>::open_seat(size_t seat) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (seats_[seat]->closed) return;
  seats_[seat]->opened_at = now_();
  schedule_.open_seat(seat);
}

template <typename J>
size_t Board<J>::num_open() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return schedule_.num_open();
}

template <typename J>
bool Board<J>::submit(const std::shared_ptr<J>& job) {
  Seat* seat = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    seat = place(job);
  }
  // Without the mutex: the replica that wakes would only wait for it.
  if (seat) seat->wake.notify_one();
  return seat != nullptr;
}

template <typename J>
std::shared_ptr<J> Board<J>::draw(size_t index, bool only_first, Wait wait) {
  for (;;) {
    Jobs lost;
    std::shared_ptr<J> job;
    bool drawn = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      Seat& seat = *seats_[index];
      forget_ended(seat, &lost);
      const auto ready = [&] {
        return seat.closed || seat.fault || (job = take(index, only_first, &drawn)) != nullptr;
      };
      if (!ready() && wait == Wait::kForWork && lost.empty()) seat.wake.wait(lock, ready);
      if (seat.fault) std::rethrow_exception(seat.fault);
    }
    for (const auto& orphan : lost) orphan->fail(dropped());
    if (job && !job->over()) {
      if (drawn) return handle(job);
      job->fail(cancelled_error());
    } else if (lost.empty() && !job) {
      return nullptr;
    }
  }
}

template <typename J>
typename Board<J>::Jobs Board<J>::drain_seat(size_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  return close(index);
}

template <typename J>
typename Board<J>::Jobs Board<J>::close_seat(size_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  Seat& seat = *seats_[index];
  seat.signs->broken = true;
  seat.closing.request_stop();
  return close(index);
}

template <typename J>
typename Board<J>::Jobs Board<J>::revoke_drawn(size_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  Jobs again;
  for (const auto& job : std::exchange(seats_[index]->drawn, {})) {
    if (job->slip_.state == JobSlip::State::kGone) continue;
    if (auto next = job->another_attempt()) again.push_back(std::move(next));
    leave(job->slip_);
  }
  return again;
}

template <typename J>
void Board<J>::fail_seat(size_t index, std::exception_ptr fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  Seat& seat = *seats_[index];
  seat.signs->broken = true;
  if (!seat.fault) seat.fault = std::move(fault);
  seat.wake.notify_all();
}

template <typename J>
bool Board<J>::broken(size_t index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return seats_[index]->signs->broken;
}

template <typename J>
bool Board<J>::closed(size_t index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return seats_[index]->closed;
}

template <typename J>
std::optional<uint64_t> Board<J>::pulse(size_t index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Seat& seat = *seats_[index];
  if (seat.counters.running == 0) return std::nullopt;
  return seat.signs->pulse + seat.beats;
}

template <typename J>
ReplicaCounters Board<J>::counters(size_t index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return counters_now(index);
}

template <typename J>
void Board<J>::ended(JobSlip& slip, bool ok, const JobYield& yield) {
  JobRecord record;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (slip.state != JobSlip::State::kWaiting && slip.state != JobSlip::State::kDrawn) return;
    const bool was_drawn = slip.state == JobSlip::State::kDrawn;
    ReplicaCounters& counters = seats_[slip.seat]->counters;
    ++(ok ? counters.done : counters.failed);
    counters.units += yield.units;
    counters.codes += yield.codes;
    leave(slip, ok);
    if (!on_ended_ || !was_drawn) return;
    record = {
        seats_[slip.seat]->name, slip.order, slip.submitted_at, slip.drawn_at, now_(), ok, yield,
        counters_now(slip.seat)};
  }
  on_ended_(record);
}

template <typename J>
std::exception_ptr Board<J>::dropped() {
  return std::make_exception_ptr(
      Error(ErrorCode::kInternal, "pool: a replica dropped a job without a result; this is a bug"));
}

// The handle that a replica gets. During unwinding the job is left to the worker, which knows the
// exception.
template <typename J>
std::shared_ptr<J> Board<J>::handle(const std::shared_ptr<J>& job) {
  return std::shared_ptr<J>(job.get(), [keep = job, signs = job->slip_.signs](J* raw) {
    if (!raw->over() && std::uncaught_exceptions() == 0 && !signs->broken) raw->fail(dropped());
  });
}

template <typename J>
ReplicaCounters Board<J>::counters_now(size_t index) const {
  const Seat& seat = *seats_[index];
  ReplicaCounters counters = seat.counters;
  const double now = now_();
  if (counters.running > 0) counters.busy_seconds += now - seat.busy_since;
  if (seat.opened_at > 0) counters.open_seconds = now - seat.opened_at;
  counters.outstanding = schedule_.outstanding(index);
  return counters;
}

template <typename J>
typename Board<J>::Seat* Board<J>::place(const std::shared_ptr<J>& job) {
  JobSlip& slip = job->slip_;
  const size_t index = schedule_.place(job, slip.order);
  if (index == kNoReplica) return nullptr;
  slip.book = this->weak_from_this();
  slip.seat = index;
  slip.state = JobSlip::State::kWaiting;
  slip.submitted_at = now_();
  ++seats_[index]->counters.queued;
  return seats_[index].get();
}

// Not drawn, but out of the queue: its stop was asked for, or it is over already.
template <typename J>
std::shared_ptr<J> Board<J>::take(size_t index, bool only_first, bool* drawn) {
  auto next = schedule_.take(index, only_first);
  if (!next) return nullptr;
  const std::shared_ptr<J> job = std::move(next->item);
  JobSlip& slip = job->slip_;
  if (slip.seat != index) {  // taken over
    --seats_[slip.seat]->counters.queued;
    ++seats_[index]->counters.queued;
    slip.seat = index;
  }
  if (job->over()) {
    leave(slip);
  } else if (!job->stop_requested()) {
    Seat& seat = *seats_[index];
    slip.state = JobSlip::State::kDrawn;
    slip.drawn_at = now_();
    slip.closing = seat.closing.token();
    slip.signs = seat.signs;
    if (seat.counters.running++ == 0) seat.busy_since = slip.drawn_at;
    ++seat.beats;
    seat.drawn.push_back(job);
    *drawn = true;
  }
  return job;
}

template <typename J>
typename Board<J>::Jobs Board<J>::close(size_t index) {
  Seat& seat = *seats_[index];
  seat.closed = true;
  Jobs left;
  for (auto& waiting : schedule_.close_seat(index)) {
    waiting.item->slip_.state = JobSlip::State::kNew;
    --seat.counters.queued;
    left.push_back(std::move(waiting.item));
  }
  seat.wake.notify_all();
  return left;
}

template <typename J>
void Board<J>::leave(JobSlip& slip, bool measured) {
  Seat& seat = *seats_[slip.seat];
  const bool was_drawn = slip.state == JobSlip::State::kDrawn;
  const double now = now_();
  schedule_.ended(slip.seat, slip.order, measured && was_drawn ? now - slip.drawn_at : 0);
  slip.state = JobSlip::State::kGone;
  --seat.counters.queued;
  ++seat.beats;
  if (was_drawn && --seat.counters.running == 0) {
    seat.counters.busy_seconds += now - seat.busy_since;
  }
}

// Drops what is over from seat.drawn. `lost`: jobs whose handle went during an unwinding that
// serve() survived. What a broken replica has let go of is the pool's.
template <typename J>
void Board<J>::forget_ended(Seat& seat, Jobs* lost) {
  const bool broken = seat.signs->broken;
  const auto gone = [&](std::shared_ptr<J>& job) {
    if (job->over()) return true;
    if (broken || job.use_count() > 1) return false;
    lost->push_back(std::move(job));
    return true;
  };
  seat.drawn.erase(std::remove_if(seat.drawn.begin(), seat.drawn.end(), gone), seat.drawn.end());
}

}  // namespace indextts2
