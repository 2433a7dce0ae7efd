// Sorting the ids of a row inside one block of threads.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace indextts2 {

inline constexpr int kRowThreads = 1024;

// order [count] in shared memory becomes 0 .. count - 1 by rising `less`, which must never call two
// ids equal. All kRowThreads threads of the block call it; it begins and ends with the block met. A
// bitonic network whose exchanges all rise, so that places from `count` on, which would hold the
// largest, need not exist.
template <class Less>
__device__ void sort_row(uint16_t* order, int count, const Less& less) {
  for (int i = threadIdx.x; i < count; i += kRowThreads) order[i] = static_cast<uint16_t>(i);
  __syncthreads();
  int places = 2;
  while (places < count) places *= 2;
  const auto exchange = [&](int low, int high) {
    if (high >= count) return;
    const uint16_t a = order[low], b = order[high];
    if (!less(b, a)) return;
    order[low] = b;
    order[high] = a;
  };
  for (int size = 2; size <= places; size *= 2) {
    for (int pair = threadIdx.x; pair < places / 2; pair += kRowThreads) {
      const int from = pair / (size / 2) * size, at = pair % (size / 2);
      exchange(from + at, from + size - 1 - at);
    }
    __syncthreads();
    for (int apart = size / 4; apart > 0; apart /= 2) {
      for (int pair = threadIdx.x; pair < places / 2; pair += kRowThreads) {
        const int low = pair / apart * 2 * apart + pair % apart;
        exchange(low, low + apart);
      }
      __syncthreads();
    }
  }
}

}  // namespace indextts2
