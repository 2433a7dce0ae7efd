// The flow's work between its matrix products, row by row. Letters as in flow_tables.h; all
// pointers to device memory, 16-byte aligned, row strides and widths multiples of 8 elements.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

// A matrix whose rows lie `stride` elements apart.
struct FlowRows {
  void* data;
  int64_t stride;
};

// What depends on time: entry [*step], `stride` elements long, of a table.
struct StepTable {
  const void* data;
  int64_t stride;
  const int32_t* step;  // on the device
};

constexpr int kMaxFlowNormWidth = 1024;

// out = x / sqrt(mean(x^2) + eps) * scale + shift; `table` points at the scale [width] of step 0,
// the shift follows.
cudaError_t rms_norm(FlowType type, FlowRows x, FlowRows out, StepTable table, int rows, int width,
                     float eps, cudaStream_t on);
// The same of x less its mean.
cudaError_t layer_norm(FlowType type, FlowRows x, FlowRows out, StepTable table, int rows,
                       int width, float eps, cudaStream_t on);

// Turns queries and keys of qkv [rows][3 H D] in place: pairs of features by
// turns[positions[row]] [D / 2] (cosine, sine). head_size: a multiple of 8.
cudaError_t rotate_rows(FlowType type, void* qkv, const float2* turns, const int32_t* positions,
                        int rows, int heads, int head_size, cudaStream_t on);

// x [rows][2 width] -> silu(left half) * right half [rows][width].
cudaError_t swiglu(FlowType type, const void* x, void* out, int rows, int width, cudaStream_t on);

// x [rows][2 width], table: biases [2 width] -> tanh(left + bias) * sigmoid(right + bias).
cudaError_t tanh_gate(FlowType type, const void* x, void* out, StepTable table, int rows, int width,
                      cudaStream_t on);

// out[row][tap][width]: the neighbours (tap - kernel / 2) * dilation frames away in the same
// stream, reflected at its ends; zeros for padding.
cudaError_t unfold_streams(FlowType type, FlowRows x, void* out, const HeadRow* places, int rows,
                           int width, int kernel, int dilation, cudaStream_t on);

// out[row] = x[places[row].trunk], zeros for padding.
cudaError_t gather_head(FlowType type, FlowRows x, FlowRows out, const HeadRow* places, int rows,
                        int width, cudaStream_t on);

// The Euler state of the generated frames and the two places that feed it to the network.
struct FlowState {
  FlowType type;
  float* x;  // [state rows][M]
  const FlowStateRow* rows;
  const int32_t* row_count;  // on the device
  int max_rows;
  int mel;
  FlowRows trunk, head;  // [rows][M] each; rows without a state row are not touched
};

// Feeds x as it is.
cudaError_t spread_state(const FlowState& state, cudaStream_t on);
// x += widths[*step] * v, then feeds it; v = velocity + bias of the conditioned branch, or with
// guidance g (1 + g) times that less g times the other branch's. velocity [head rows][M] float32
// without bias [M].
cudaError_t euler_step(const FlowState& state, const float* velocity, const void* bias,
                       const float* widths, const int32_t* step, cudaStream_t on);
// ++*step.
cudaError_t next_step(int32_t* step, cudaStream_t on);

}  // namespace indextts2
