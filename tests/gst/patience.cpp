// Waiting with the steady clock.
#include "patience.h"

#include <chrono>
#include <thread>

namespace player {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool in_time(double start, double seconds) { return kSanitizer || seconds_now() - start < seconds; }

bool wait_until(const std::function<bool()>& reached) {
  const double start = seconds_now();
  while (!reached()) {
    if (seconds_now() - start > kPatienceSeconds) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace player
