// The finished sequences of one segment, as BeamSearch::Finished of stages/beam_search.h keeps
// them.
#pragma once

#include <cuda_runtime.h>

#include "cuda/kernels/beam_tables.h"

namespace indextts2 {

// Finished sequences of one segment; one thread.
struct Finished {
  FinishedBeam* all;
  int count, capacity;

  __device__ int lowest() const {
    int at = 0;
    for (int i = 1; i < count; ++i) {
      if (all[i].score < all[at].score) at = i;
    }
    return at;
  }

  __device__ void add(const FinishedBeam& beam) {
    if (count < capacity) {
      all[count++] = beam;
      return;
    }
    const int out = lowest();
    if (!(beam.score > all[out].score)) return;
    for (int i = out; i + 1 < count; ++i) all[i] = all[i + 1];
    all[count - 1] = beam;
  }
};

}  // namespace indextts2
