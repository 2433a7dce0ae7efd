// Attention of the decode step for one layer: all beams of a segment over their pages.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "cuda/kernels/attention_work.h"
#include "cuda/kernels/decode_tables.h"
#include "cuda/kernels/element_type.h"

namespace indextts2 {

inline constexpr int kAttentionHeadSize = 64;

// Letters as in decode_tables.h; C = H * D. Device memory, 16-byte aligned.
struct PagedAttention {
  DecodeTables tables;
  AttentionWork work;  // of this step
  const void* qkv;     // [S * B][3C]: queries, keys, values; each [H][D]
  void* out;           // [S * B][C]; rows of idle segments and unused beams are left alone
  int32_t segments, heads, layer;
  ElementType type;  // of qkv, out and pages
  int32_t blocks;    // of threads that run at once, from prepare_paged_attention
  // Programmatic dependent launch (dependent_launch.cuh): starts while the kernel ahead of it still
  // runs, reads old keys, and waits before it reads qkv. `work`, the tables and this layer's old
  // keys must be complete when it may start: between their makers and this kernel at least one must
  // be launched without overlap, say the attention of a step's first layer.
  bool overlap;
};

// Head size 64 and 1 .. kMaxBeams beams.
bool paged_attention_supports(int head_size, int beams);
// To be called once per device, type and number of beams, before any launch and outside of a
// capture. Gives the number of blocks that fill the current device, 1 if it cannot run clusters:
// heads of few segments are split between the blocks of a cluster. Results do not depend on it.
cudaError_t prepare_paged_attention(ElementType type, int beams, int32_t* blocks);

// Writes keys and values of the new position (tables.length) into each beam's own page, then
//   out[row] = softmax(q[row] . k / sqrt(D)) v
// over the entries that the row's beam reads, in float32. Same bits for a segment whatever the
// other segments are, wherever it stands in the step. cudaErrorInvalidValue: sizes out of range.
cudaError_t paged_attention(const PagedAttention& layer, cudaStream_t stream);

}  // namespace indextts2
