// The beams' pasts after a choice, for kernels that choose themselves.
#pragma once

#include <cuda_runtime.h>

#include "cuda/kernels/attention_work.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// What reorder_beams (beam_reorder.h) does for one slot. Called by all threads of a block, of any
// size, with the same arguments; parents: [beams], global or shared, visible to all of them. The
// block must be the only one that uses the slot. Ends without a barrier.
__device__ inline void reorder_segment(const DecodeTables& tables, int slot,
                                       const int32_t* parents) {
  constexpr int kBytes = 4;  // owners of a word
  const int beams = tables.beams[slot], length = tables.length[slot];
  const size_t row = static_cast<size_t>(tables.max_pages) * kPageKeys;
  uint8_t* owner = tables.owner + slot * tables.max_beams * row;
  int parent[kMaxBeams];
#pragma unroll
  for (int b = 0; b < kMaxBeams; ++b) parent[b] = b < beams ? parents[b] : b;

  const int first = tables.prefix[slot] / kBytes * kBytes;
  const int step = static_cast<int>(blockDim.x) * kBytes;
  for (int position = first + static_cast<int>(threadIdx.x) * kBytes; position <= length;
       position += step) {
    uint32_t stored[kMaxBeams], past[kMaxBeams];
    // Each beam owned what it wrote at the new position.
    const int fresh = length - position;
    const uint32_t keep = fresh < kBytes ? ~(255u << 8 * fresh) : ~0u;
#pragma unroll
    for (int b = 0; b < kMaxBeams; ++b) {
      stored[b] = b < beams ? *reinterpret_cast<const uint32_t*>(owner + b * row + position) : 0;
      past[b] = (stored[b] & keep) | (fresh < kBytes ? static_cast<uint32_t>(b) << 8 * fresh : 0);
    }
#pragma unroll
    for (int b = 0; b < kMaxBeams; ++b) {
      if (b >= beams) continue;
      uint32_t next = 0;
#pragma unroll
      for (int from = 0; from < kMaxBeams; ++from) {
        if (parent[b] == from) next = past[from];
      }
      if (next != stored[b]) *reinterpret_cast<uint32_t*>(owner + b * row + position) = next;
    }
  }
  __syncthreads();  // all have read the length
  if (threadIdx.x == 0) tables.length[slot] = length + 1;
}

}  // namespace indextts2
