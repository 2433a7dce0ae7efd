// Where the time goes: seconds per stage.
#include "stages/stage_clock.h"

#include "core/clock.h"

namespace indextts2 {

void StageClock::add(const std::string& stage, double seconds) {
  std::lock_guard<std::mutex> lock(mutex_);
  seconds_[stage] += seconds;
}

std::map<std::string, double> StageClock::seconds() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return seconds_;
}

StageTimer::StageTimer(StageClock& clock, const char* stage)
    : clock_(clock), stage_(stage), start_(now_seconds()) {}

StageTimer::~StageTimer() { clock_.add(stage_, now_seconds() - start_); }

}  // namespace indextts2
