// A job of a pool: it ends exactly once, with a result or an error, whatever happens to its
// replica.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/stop_token.h"
#include "pool/job_book.h"
#include "pool/schedule.h"

namespace indextts2 {

inline std::exception_ptr cancelled_error() {
  return std::make_exception_ptr(Error(ErrorCode::kCancelled, "cancelled"));
}

// Note [Attempts]
// What a replica gets is one attempt at a request. When the replica is lost the attempt is revoked,
// so that nothing comes from it any more, and another attempt at the same request is placed
// elsewhere: the same seed, so the same sound on an equal device.
//
// Thread-safety: safe once it was drawn; before, it belongs to its queue.
template <typename Request, typename Result>
class Job {
 public:
  // Called once, from the thread that ends the job: `error` is null and `result` valid, or `error`
  // is set. Must not throw or block.
  using Done = std::function<void(Result result, std::exception_ptr error)>;

  // `stop`: the submitter's wish.
  Job(Request request, StopToken stop, Order order, Done done)
      : Job(std::make_shared<Ticket>(std::move(request), std::move(stop), std::move(done)), order) {
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

 private:
  // What all attempts at a request share.
  struct Ticket {
    Ticket(Request request, StopToken stop, Done done)
        : request(std::move(request)), stop(std::move(stop)), done(std::move(done)) {}
    const Request request;
    const StopToken stop;
    Done done;
    std::atomic<bool> over{false};
    std::atomic<int> losses{0};  // attempts that were revoked
  };
  std::shared_ptr<Ticket> ticket_;

 public:
  const Request& request;

  // Stops when the submitter or the closing of the pool asks for it. Each test of it tells the
  // pool's watchdog that the replica is alive.
  StopToken stop() const {
    return StopToken([ticket = ticket_, signs = slip_.signs, closing = slip_.closing] {
      if (signs) ++signs->pulse;
      return ticket->stop.stop_requested() || closing.stop_requested();
    });
  }
  bool stop_requested() const {
    if (slip_.signs) ++slip_.signs->pulse;
    return ticket_->stop.stop_requested() || slip_.closing.stop_requested();
  }
  bool over() const { return revoked_.load() || ticket_->over.load(); }
  // Somebody waits for it (Order::first).
  bool first() const { return slip_.order.first; }

  // Ends the job; false and no effect when it is over. `units` and `codes`: what it made, for
  // ReplicaCounters.
  bool deliver(Result result, double units, double codes = 0) {
    if (revoked_ || ticket_->over.exchange(true)) return false;
    finish(std::move(result), nullptr, {units, codes});
    return true;
  }
  // For what is wrong with this job. A replica that is broken itself throws out of serve(), or
  // calls JobQueue::fail_replica, and leaves its jobs alone.
  bool fail(std::exception_ptr error) {
    if (revoked_ || ticket_->over.exchange(true)) return false;
    finish(Result(), std::move(error), {});
    return true;
  }

 private:
  template <typename J>
  friend class Board;

  Job(std::shared_ptr<Ticket> ticket, const Order& order)
      : ticket_(std::move(ticket)), request(ticket_->request) {
    slip_.order = order;
  }

  // Takes the job from its replica; null: it is over.
  std::shared_ptr<Job> another_attempt() {
    if (revoked_.exchange(true) || ticket_->over) return nullptr;
    ++ticket_->losses;
    Order order = slip_.order;
    order.first = true;  // it was in work already: what is behind it waits for it
    return std::shared_ptr<Job>(new Job(ticket_, order));
  }
  int losses() const { return ticket_->losses; }

  void finish(Result result, std::exception_ptr error, const JobYield& yield) {
    if (const auto book = slip_.book.lock()) book->ended(slip_, error == nullptr, yield);
    const Done done = std::move(ticket_->done);  // what it holds goes now, not with the last handle
    if (done) done(std::move(result), std::move(error));
  }

  std::atomic<bool> revoked_{false};
  JobSlip slip_;
};

}  // namespace indextts2
