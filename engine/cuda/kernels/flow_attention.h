// Attention of ragged rows: each stream's queries over that stream's own keys.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

struct AttentionCall {
  FlowType type;
  const void* qkv;             // [rows][3 H D]: queries, keys, values; 16-byte aligned
  void* out;                   // [out rows][H D]
  const AttentionTile* tiles;  // see attention_tile_rows()
  const int32_t* tile_count;   // on the device
  int max_tiles;               // tiles beyond the count do nothing
  int heads, head_size;
};

bool attention_supports(int head_size);  // 32, 64; half types need sm_80

// How many queries a tile best has on the current device where there are `rows` in all: large tiles
// pay on Hopper, elsewhere where each multiprocessor has several rounds of them to do. Half types
// take up to kLargeAttentionRows anyway, float32 what is named here.
int attention_tile_rows(FlowType type, int heads, int head_size, int64_t rows);

// out = softmax(q k^T / sqrt(D)) v with float32 sums. A row's bits depend on its stream alone.
cudaError_t attend_streams(const AttentionCall& call, cudaStream_t on);
// The part of it for float32 that uses no tensor cores. Tiles of kAttentionRows at most.
cudaError_t attend_streams_float(const AttentionCall& call, cudaStream_t on);

}  // namespace indextts2
