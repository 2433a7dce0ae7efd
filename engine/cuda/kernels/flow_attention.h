// Attention of ragged rows: each stream's queries over that stream's own keys.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

struct AttentionCall {
  FlowType type;
  const void* qkv;             // [rows][3 H D]: queries, keys, values; 16-byte aligned
  void* out;                   // [out rows][H D]
  const AttentionTile* tiles;  // of tile_rows queries at most, kAttentionRows for float32
  const int32_t* tile_count;   // on the device
  int max_tiles;               // tiles beyond the count do nothing
  int heads, head_size;
  int tile_rows = kLargeAttentionRows;  // more: if attention_takes_largest()
};

bool attention_supports(int head_size);  // 32, 64; half types need sm_80

// How many queries a tile best has on the current device where there are `rows` in all: large tiles
// pay on Hopper, elsewhere where each multiprocessor has several rounds of them to do.
int attention_tile_rows(FlowType type, int heads, int head_size, int64_t rows);

// Whether tiles may have kLargestAttentionRows on the current device.
bool attention_takes_largest(FlowType type, int head_size);
// kLargeAttentionRows or kLargestAttentionRows, whichever has `processors` multiprocessors finish
// earlier with a lane's streams of so many queries, by a model: a multiprocessor has two blocks of
// the former at a time or one of the latter.
int fitting_tile_rows(const std::vector<int32_t>& queries, int heads, int processors);

// out = softmax(q k^T / sqrt(D)) v with float32 sums. A row's bits depend on its stream alone.
cudaError_t attend_streams(const AttentionCall& call, cudaStream_t on);
// The part of it for float32, which uses no tensor cores.
cudaError_t attend_streams_float(const AttentionCall& call, cudaStream_t on);

}  // namespace indextts2
