// A replica's door to its pool: it draws jobs when it has room.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pool/board.h"

namespace indextts2 {

// Thread-safety: push and close from any thread; pop and try_pop from the replica's thread.
// Unbounded: the submitters' windows bound it, so push never blocks and close cannot deadlock.
// Jobs whose stop was asked for never reach the replica: they end with kCancelled when their turn
// comes.
template <typename J>
class JobQueue {
 public:
  // A pool's seat.
  JobQueue(std::shared_ptr<Board<J>> board, size_t seat) : board_(std::move(board)), seat_(seat) {}
  // One alone, for a replica without a pool.
  JobQueue() : board_(std::make_shared<Board<J>>()), seat_(board_->add_seat()) {
    board_->open_seat(seat_);
  }
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // Blocks for a job; null once the queue is closed. A handle that is dropped before the job is
  // over fails the job.
  std::shared_ptr<J> pop() { return board_->draw(seat_, /*only_first=*/false, Wait::kForWork); }
  // A job if one waits, else null: for replicas that admit jobs between two steps of others.
  // `only_first`: a replica with a single free slot keeps it for segments that somebody waits for;
  // so it has one slot more than the batch it is meant for.
  std::shared_ptr<J> try_pop(bool only_first = false) {
    return board_->draw(seat_, only_first, Wait::kNo);
  }
  // The replica is broken: its next pop or try_pop throws `fault`, which ends serve(). For a thread
  // of it that cannot throw there itself. The jobs that it has are left alone: the pool gives them
  // to others.
  void fail_replica(std::exception_ptr fault) { board_->fail_seat(seat_, std::move(fault)); }

  // The replica was said to be broken, or is closed: what it still has is not wanted from it.
  bool broken() const { return board_->broken(seat_); }

  // The rest is for who owns the queue.

  // False, and nothing done, once no seat is open.
  bool push(const std::shared_ptr<J>& job) { return board_->submit(job); }
  // Wakes pop() for the last time. Jobs drawn before see their stop() set. Returns the jobs that
  // were not drawn: they belong to the caller now, who ends or passes them on.
  std::vector<std::shared_ptr<J>> close() { return board_->close_seat(seat_); }
  // The same, but jobs drawn before may be finished.
  std::vector<std::shared_ptr<J>> drain() { return board_->drain_seat(seat_); }
  // Takes the drawn jobs that are not over from the closed queue's replica: other attempts at them.
  std::vector<std::shared_ptr<J>> revoke_drawn() { return board_->revoke_drawn(seat_); }
  bool closed() const { return board_->closed(seat_); }
  ReplicaCounters counters() const { return board_->counters(seat_); }
  std::optional<uint64_t> pulse() const { return board_->pulse(seat_); }

 private:
  const std::shared_ptr<Board<J>> board_;
  const size_t seat_;
};

}  // namespace indextts2
