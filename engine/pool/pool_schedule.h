// The schedule of a pool: what waits for which replica, and who takes what from whom.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "pool/fair_queue.h"
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
// pass over the replicas' loads.
// Thread-safety: one thread, or under the owner's mutex.
template <typename Item>
class PoolSchedule {
 public:
  using Waiting = typename FairQueue<Item>::Waiting;

  // A replica comes; nothing is placed on it until it is opened. Returns its number: 0, 1, ...
  size_t add_seat() {
    queues_.emplace_back();
    loads_.emplace_back();
    num_jobs_.push_back(0);
    speeds_.emplace_back();
    return queues_.size() - 1;
  }
  void open_seat(size_t seat) {
    if (!is_open(seat)) open_.push_back(seat);
    gather_loads();
  }
  // Nothing is placed on it any more; what waited for it belongs to the caller.
  std::vector<Waiting> close_seat(size_t seat) {
    open_.erase(std::remove(open_.begin(), open_.end(), seat), open_.end());
    std::vector<Waiting> left = queues_[seat].take_all();
    for (const Waiting& job : left) {
      if (job.order.movable()) --num_movable_;
      leave(seat, job.order);
    }
    gather_loads();
    return left;
  }
  bool is_open(size_t seat) const {
    return seat < place_of_.size() && place_of_[seat] != kNoReplica;
  }
  size_t num_open() const { return open_.size(); }

  // Puts a job where it is to wait; kNoReplica, and nothing done: no seat is open.
  size_t place(Item item, const Order& order) {
    const size_t choice = pick_replica(order, turn_, open_loads_);
    if (choice == kNoReplica) return kNoReplica;
    ++turn_;
    const size_t seat = open_[choice];
    if (order.movable()) ++num_movable_;
    queues_[seat].push(std::move(item), order);
    enter(seat, order);
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
      if (taken->order.movable()) --num_movable_;
      publish(seat);
      return taken;
    }
    if (num_movable_ == 0 || !is_open(seat)) return std::nullopt;
    return take_over(seat, only_first);
  }

  // A job that was taken is over. `seconds`: how long it was in work; 0: its end says nothing about
  // the replica's speed.
  void ended(size_t seat, const Order& order, double seconds) {
    leave(seat, order);
    if (seconds > 0) measure(seat, order.cost, seconds);
  }

  double outstanding(size_t seat) const { return loads_[seat].outstanding; }
  double speed(size_t seat) const { return loads_[seat].speed; }
  size_t num_waiting(size_t seat) const { return queues_[seat].size(); }

 private:
  struct Speed {
    double cost = 0, seconds = 0;
  };

  std::optional<Waiting> take_over(size_t thief, bool only_first) {
    const double fastest = fastest_of(open_loads_);
    size_t victim = kNoReplica;
    double latest = 0;
    for (size_t i = 0; i < open_loads_.size(); ++i) {
      const ReplicaLoad& load = open_loads_[i];
      if (load.num_movable == 0 || open_[i] == thief) continue;
      const double end = load.outstanding / speed_of(load, fastest);
      if (victim == kNoReplica || end > latest) {
        victim = open_[i];
        latest = end;
      }
    }
    if (victim == kNoReplica) return std::nullopt;
    const double own_speed = speed_of(loads_[thief], fastest);
    std::optional<Waiting> taken = queues_[victim].take([&](const Order& order) {
      return order.movable() && (order.first || !only_first) && order.cost / own_speed < latest;
    });
    if (!taken) return std::nullopt;
    --num_movable_;
    leave(victim, taken->order);
    enter(thief, taken->order);
    return taken;
  }

  void enter(size_t seat, const Order& order) {
    ++num_jobs_[seat];
    loads_[seat].outstanding += order.cost;
    publish(seat);
  }
  void leave(size_t seat, const Order& order) {
    // Sums of doubles drift; an idle replica must count as exactly idle.
    ReplicaLoad& load = loads_[seat];
    load.outstanding = --num_jobs_[seat] == 0 ? 0 : load.outstanding - order.cost;
    publish(seat);
  }
  void measure(size_t seat, double cost, double seconds) {
    constexpr double kMemory = 0.98;  // of one job to the next: some 50 jobs count
    Speed& sum = speeds_[seat];
    sum.cost = sum.cost * kMemory + cost;
    sum.seconds = sum.seconds * kMemory + seconds;
    loads_[seat].speed = sum.cost / sum.seconds;
    publish(seat);
  }

  // open_loads_ is loads_ in the order of open_, side by side for the choice.
  void gather_loads() {
    place_of_.assign(queues_.size(), kNoReplica);
    open_loads_.clear();
    for (const size_t seat : open_) {
      place_of_[seat] = open_loads_.size();
      open_loads_.push_back(loads_[seat]);
    }
  }
  void publish(size_t seat) {
    loads_[seat].num_movable = queues_[seat].num_movable();
    if (seat < place_of_.size() && place_of_[seat] != kNoReplica) {
      open_loads_[place_of_[seat]] = loads_[seat];
    }
  }

  std::deque<FairQueue<Item>> queues_;
  std::vector<ReplicaLoad> loads_;
  std::vector<int> num_jobs_;  // waiting or in work
  std::vector<Speed> speeds_;
  std::vector<size_t> open_;  // seats in the order of opening
  std::vector<ReplicaLoad> open_loads_;
  std::vector<size_t> place_of_;  // of a seat in open_
  size_t num_movable_ = 0;        // of all waiting jobs
  uint64_t turn_ = 0;             // jobs placed so far
};

}  // namespace indextts2
