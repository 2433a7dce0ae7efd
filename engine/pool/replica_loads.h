// What each replica of a pool has to do, and how fast it does it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pool/schedule.h"

namespace indextts2 {

// Replicas have numbers in the order of coming ("seats"). The loads of those that are open lie side
// by side, in the order of opening, for the choice among them. Thread-safety: one thread.
class ReplicaLoads {
 public:
  size_t add() {
    loads_.emplace_back();
    num_jobs_.push_back(0);
    speeds_.emplace_back();
    place_of_.push_back(kNoReplica);
    return loads_.size() - 1;
  }
  void open(size_t seat) {
    if (is_open(seat)) return;
    open_.push_back(seat);
    gather();
  }
  void close(size_t seat) {
    open_.erase(std::remove(open_.begin(), open_.end(), seat), open_.end());
    gather();
  }
  bool is_open(size_t seat) const { return place_of_[seat] != kNoReplica; }

  const std::vector<ReplicaLoad>& of_open() const { return open_loads_; }
  size_t open_seat(size_t place) const { return open_[place]; }  // `place`: in of_open()
  const ReplicaLoad& of(size_t seat) const { return loads_[seat]; }
  // What a replica that was never measured counts as; looked for only while there is one.
  double fastest() const { return all_measured_ ? 1 : fastest_of(open_loads_); }

  void enter(size_t seat, double cost) {
    ++num_jobs_[seat];
    loads_[seat].outstanding += cost;
    publish(seat);
  }
  void leave(size_t seat, double cost) {
    // Sums of doubles drift; an idle replica must count as exactly idle.
    ReplicaLoad& load = loads_[seat];
    load.outstanding = --num_jobs_[seat] == 0 ? 0 : load.outstanding - cost;
    publish(seat);
  }
  // One job of this cost took so long.
  void measure(size_t seat, double cost, double seconds) {
    constexpr double kMemory = 0.98;  // of one job to the next: some 50 jobs count
    Speed& sum = speeds_[seat];
    sum.cost = sum.cost * kMemory + cost;
    sum.seconds = sum.seconds * kMemory + seconds;
    const bool first = loads_[seat].pace == 0;
    loads_[seat].pace = sum.seconds / sum.cost;
    publish(seat);
    if (first) gather();
  }
  void set_num_movable(size_t seat, size_t count) {
    loads_[seat].num_movable = count;
    publish(seat);
  }

 private:
  struct Speed {
    double cost = 0, seconds = 0;
  };

  void gather() {
    std::fill(place_of_.begin(), place_of_.end(), kNoReplica);
    open_loads_.clear();
    all_measured_ = true;
    for (const size_t seat : open_) {
      place_of_[seat] = open_loads_.size();
      open_loads_.push_back(loads_[seat]);
      if (loads_[seat].pace == 0) all_measured_ = false;
    }
  }
  void publish(size_t seat) {
    if (is_open(seat)) open_loads_[place_of_[seat]] = loads_[seat];
  }

  std::vector<ReplicaLoad> loads_;
  std::vector<int> num_jobs_;  // waiting or in work
  std::vector<Speed> speeds_;
  std::vector<size_t> open_;  // seats in the order of opening
  std::vector<ReplicaLoad> open_loads_;
  bool all_measured_ = true;  // of these
  std::vector<size_t> place_of_;  // of a seat in open_
};

}  // namespace indextts2
