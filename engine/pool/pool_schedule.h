// The schedule of a pool: what waits for which replica, and who takes what from whom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "pool/fair_queue.h"
#include "pool/replica_loads.h"
#include "pool/schedule.h"

namespace indextts2 {

// Note [Placing and taking over]
// A job is placed on a replica when it is submitted (pick_replica). Estimates err, so a replica
// with room and nothing of its own to do takes a movable job over from the one that is busiest, if
// it would be over sooner here, begun now, than it would be begun there. With replicas of one speed
// that is list scheduling: none idles while a movable job waits. Round-robin jobs stay where they
// are: that is their promise.
//
// No clock, no threads, no locks: the simulations and the tests run it as it is. Choosing costs one
// pass over the replicas' loads, 0.1 us for 256 of them.
// Thread-safety: one thread, or under the owner's mutex.
template <typename Item>
class PoolSchedule {
 public:
  using Waiting = typename FairQueue<Item>::Waiting;

  // A replica comes; nothing is placed on it until it is opened. Returns its number: 0, 1, ...
  size_t add_seat() {
    queues_.emplace_back();
    return loads_.add();
  }
  void open_seat(size_t seat) { loads_.open(seat); }
  // Nothing is placed on it any more; what waited for it belongs to the caller.
  std::vector<Waiting> close_seat(size_t seat) {
    std::vector<Waiting> left = queues_[seat].take_all();
    for (const Waiting& job : left) {
      note_gone(job.order);
      loads_.leave(seat, job.order.cost);
    }
    count_movable(seat);
    loads_.close(seat);
    return left;
  }
  size_t num_open() const { return loads_.of_open().size(); }

  // Puts a job where it is to wait; kNoReplica, and nothing done: no seat is open.
  size_t place(Item item, const Order& order) {
    const size_t choice = pick_replica(order, turn_, loads_.of_open(), loads_.fastest());
    if (choice == kNoReplica) return kNoReplica;
    ++turn_;
    const size_t seat = loads_.open_seat(choice);
    if (order.movable()) ++num_movable_;
    if (order.first) ++num_firsts_;
    queues_[seat].push(std::move(item), order);
    count_movable(seat);
    loads_.enter(seat, order.cost);
    return seat;
  }

  // The next job of a replica with room; it counts as this replica's until ended(). `only_first`:
  // there is room for a first one only.
  std::optional<Waiting> take(size_t seat, bool only_first) {
    std::optional<Waiting> taken;
    if (!only_first || queues_[seat].num_firsts() > 0) {
      taken = queues_[seat].take([&](const Order& order) { return order.first || !only_first; });
    }
    if (taken) {
      note_gone(taken->order);
      count_movable(seat);
      return taken;
    }
    // Replicas ask after each of their steps: most of the time that is all.
    if ((only_first ? num_firsts_ : num_movable_) == 0) return std::nullopt;
    if (!loads_.is_open(seat)) return std::nullopt;
    return take_over(seat, only_first);
  }

  // A job that was taken is over. `seconds`: how long it was in work; 0: its end says nothing about
  // the replica's speed.
  void ended(size_t seat, const Order& order, double seconds) {
    loads_.leave(seat, order.cost);
    if (seconds > 0) loads_.measure(seat, order.cost, seconds);
  }

  double outstanding(size_t seat) const { return loads_.of(seat).outstanding; }
  size_t num_waiting(size_t seat) const { return queues_[seat].size(); }

 private:
  std::optional<Waiting> take_over(size_t thief, bool only_first) {
    const std::vector<ReplicaLoad>& open = loads_.of_open();
    const double fastest = loads_.fastest();
    size_t victim = kNoReplica;
    double latest = -1;
    for (size_t i = 0; i < open.size(); ++i) {
      const double end = open[i].outstanding * pace_of(open[i], fastest);
      if (end <= latest || open[i].num_movable == 0 || loads_.open_seat(i) == thief) continue;
      victim = loads_.open_seat(i);
      latest = end;
    }
    if (victim == kNoReplica) return std::nullopt;
    const double own_pace = pace_of(loads_.of(thief), fastest);
    std::optional<Waiting> taken = queues_[victim].take([&](const Order& order) {
      return order.movable() && (order.first || !only_first) && order.cost * own_pace < latest;
    });
    if (!taken) return std::nullopt;
    note_gone(taken->order);
    count_movable(victim);
    loads_.leave(victim, taken->order.cost);
    loads_.enter(thief, taken->order.cost);
    return taken;
  }

  // It waits no more.
  void note_gone(const Order& order) {
    if (order.movable()) --num_movable_;
    if (order.first) --num_firsts_;
  }
  void count_movable(size_t seat) { loads_.set_num_movable(seat, queues_[seat].num_movable()); }

  std::deque<FairQueue<Item>> queues_;
  ReplicaLoads loads_;
  size_t num_movable_ = 0, num_firsts_ = 0;  // of all waiting jobs
  uint64_t turn_ = 0;                        // jobs placed so far
};

}  // namespace indextts2
