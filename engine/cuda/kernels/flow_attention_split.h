// Attention of ragged rows by tensor cores with float32's accuracy: the part of attend_streams()
// for float32 on GPUs whose tensor cores make up for three products instead of one.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/flow_attention.h"

namespace indextts2 {

// Whether it is the faster one on the current device.
bool split_attention_takes(int head_size);
// As attend_streams(), with tiles of kLargeAttentionRows queries at most.
cudaError_t attend_streams_split(const AttentionCall& call, cudaStream_t on);

}  // namespace indextts2
