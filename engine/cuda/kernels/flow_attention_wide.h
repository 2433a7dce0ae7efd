// Attention of flows by the warpgroup products of Hopper: the part of attend_streams() for half
// types and heads of 64 there.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/flow_attention.h"

namespace indextts2 {

// Whether the current device runs it.
bool wide_attention_takes(int head_size);
// As attend_streams().
cudaError_t attend_streams_wide(const AttentionCall& call, cudaStream_t on);

}  // namespace indextts2
