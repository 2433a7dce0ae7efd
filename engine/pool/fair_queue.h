// Jobs that wait for one replica, in the order in which it will take them.
#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pool/schedule.h"

namespace indextts2 {

// Note [Fairness]
// Higher priorities go before lower ones. Within a priority, segments that somebody waits for
// (Order::first) go before the others, in their order of coming; the others wait in one lane per
// Order::queue, and the lanes take turns: a session with a book of 1,000 segments delays another
// session by one of its segments, not by all. Beside that every replica keeps one slot that only
// firsts may take, see JobQueue::try_pop.
//
// Thread-safety: one thread, or under the owner's mutex.
template <typename Item>
class FairQueue {
 public:
  struct Waiting {
    Item item;
    Order order;
  };

  void push(Item item, const Order& order) {
    Level& level = level_of(order.priority);
    ++size_;
    if (order.movable()) ++num_movable_;
    if (order.first) {
      ++num_firsts_;
      level.firsts.push_back({std::move(item), order});
      return;
    }
    const auto known = level.lane_of.find(order.queue);
    if (known != level.lane_of.end()) {
      known->second->jobs.push_back({std::move(item), order});
      return;
    }
    level.lanes.push_back({order.queue, {}});
    level.lanes.back().jobs.push_back({std::move(item), order});
    level.lane_of[order.queue] = std::prev(level.lanes.end());
  }

  // The next one for which `wanted(order)` holds; looks at the head of each lane only.
  template <typename Wanted>
  std::optional<Waiting> take(const Wanted& wanted) {
    for (Level& level : levels_) {
      std::optional<Waiting> taken = take_from(level, wanted);
      if (!taken) continue;
      --size_;
      if (taken->order.movable()) --num_movable_;
      if (taken->order.first) --num_firsts_;
      return taken;
    }
    return std::nullopt;
  }

  // All of them, in order.
  std::vector<Waiting> take_all() {
    std::vector<Waiting> all;
    while (auto next = take([](const Order&) { return true; })) all.push_back(std::move(*next));
    return all;
  }

  size_t size() const { return size_; }
  size_t num_movable() const { return num_movable_; }
  size_t num_firsts() const { return num_firsts_; }

 private:
  struct Lane {
    uint64_t queue;
    std::list<Waiting> jobs;  // never empty
  };
  struct Level {
    int priority;
    std::list<Waiting> firsts;
    std::list<Lane> lanes;  // the front one is next
    std::unordered_map<uint64_t, typename std::list<Lane>::iterator> lane_of;
  };

  Level& level_of(int priority) {
    auto at = levels_.begin();
    while (at != levels_.end() && at->priority > priority) ++at;
    if (at == levels_.end() || at->priority != priority) {
      at = levels_.insert(at, Level{priority, {}, {}, {}});
    }
    return *at;
  }

  template <typename Wanted>
  static std::optional<Waiting> take_from(Level& level, const Wanted& wanted) {
    for (auto at = level.firsts.begin(); at != level.firsts.end(); ++at) {
      if (!wanted(at->order)) continue;
      std::optional<Waiting> taken(std::move(*at));
      level.firsts.erase(at);
      return taken;
    }
    for (auto lane = level.lanes.begin(); lane != level.lanes.end(); ++lane) {
      if (!wanted(lane->jobs.front().order)) continue;
      std::optional<Waiting> taken(std::move(lane->jobs.front()));
      lane->jobs.pop_front();
      if (lane->jobs.empty()) {
        level.lane_of.erase(lane->queue);
        level.lanes.erase(lane);
      } else {
        level.lanes.splice(level.lanes.end(), level.lanes, lane);
      }
      return taken;
    }
    return std::nullopt;
  }

  std::list<Level> levels_;  // the highest first; those that were used once stay
  size_t size_ = 0, num_movable_ = 0, num_firsts_ = 0;
};

}  // namespace indextts2
