// Processor time of this process.
#pragma once

#include <sys/resource.h>

namespace indextts2 {

// Seconds that all threads have used so far, in the program and in the system for it.
inline double process_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace indextts2
