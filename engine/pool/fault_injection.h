// Faults on wish: what a test needs to see a device fail in the middle of a segment.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace indextts2 {

// A list such as "cuda:0:throw@5;cuda:1:stall@2": DEVICE:KIND@N, where N counts the segments that a
// replica of the device takes in, from 1 on. The fault comes two steps into that segment, once per
// plan, however often the device is loaded again.
//   throw   an exception of no known cause (kInternal)
//   oom     out of memory (kNoMemory)
//   lost    a failed device call (kDeviceLost): the device stays out until the process restarts
//   stall   no progress and no sign of life until the replica is given up
// Thread-safety: safe.
class FaultPlan {
 public:
  // Throws Error{kSettings} for a list that it cannot read. Empty: no faults.
  explicit FaultPlan(const std::string& list);

 private:
  friend class FaultTrigger;
  enum class Kind { kThrow, kNoMemory, kLost, kStall };
  struct Fault {
    std::string device;
    Kind kind = Kind::kThrow;
    int segment = 0;
    std::shared_ptr<std::atomic<bool>> done = std::make_shared<std::atomic<bool>>(false);
  };
  static Fault parse(const std::string& entry);

  std::vector<Fault> faults_;
};

// One replica's part of a plan. Thread-safety: one thread.
class FaultTrigger {
 public:
  // Null: no faults.
  FaultTrigger(std::shared_ptr<const FaultPlan> plan, std::string device);

  // The replica has taken a segment in.
  void taken_in() { ++segments_; }
  // Before each step: throws or hangs when it is time. `given_up`: whether the replica may stop
  // hanging; it is polled.
  void step(const std::function<bool()>& given_up);

 private:
  const std::shared_ptr<const FaultPlan> plan_;
  const std::string device_;
  int segments_ = 0;
  int steps_ = 0;  // since a fault's segment was taken in
};

}  // namespace indextts2
