// The only place where the engine reads time.
#pragma once

#include <chrono>

namespace indextts2 {

// Seconds of a monotonic clock; only differences mean something. Thread-safety: safe.
inline double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace indextts2
