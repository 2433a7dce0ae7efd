// Where the time goes: seconds per stage.
#pragma once

#include <map>
#include <mutex>
#include <string>

namespace indextts2 {

// Seconds per stage, added up over replicas. Thread-safety: safe.
class StageClock {
 public:
  void add(const std::string& stage, double seconds);
  std::map<std::string, double> seconds() const;

 private:
  mutable std::mutex mutex_;  // guards seconds_
  std::map<std::string, double> seconds_;
};

// Books the time from its making to its end on one stage. Thread-safety: one thread.
class StageTimer {
 public:
  StageTimer(StageClock& clock, const char* stage);
  ~StageTimer();
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  StageClock& clock_;
  const char* stage_;
  const double start_;
};

}  // namespace indextts2
