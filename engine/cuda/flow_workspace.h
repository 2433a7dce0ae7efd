// The device memory of one solver of flows.
#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "cuda/flow_layout.h"
#include "cuda/flow_network.h"
#include "cuda/kernels/flow_rows.h"

namespace indextts2 {

// Room for `rows` rows of the trunk, `head_rows` of the head and `streams` streams. Addresses never
// change, so graphs may hold them. Nothing in the matrices is of use once a flow is solved. Letters
// as in FlowNetwork; R rows, Q head rows.
class FlowWorkspace {
 public:
  FlowWorkspace(const FlowNetwork& network, int64_t rows, int64_t head_rows, int64_t streams);

  // Brings the tables of a layout that fits to the device, and the step back to 0.
  void upload(const FlowLayout& layout, cudaStream_t on);

  const int64_t rows, head_rows, streams;
  at::Tensor memory;  // bytes, of all the matrices below
  // Of the network's type:
  at::Tensor merged;   // [R, W] constant share of the first layer's input
  at::Tensor x_trunk;  // [R, M] the state as the network's input, zero where there is none
  at::Tensor plain;    // [R, W]
  at::Tensor middle;   // [R, W] between attention and feed-forward
  at::Tensor normed;   // [R, W]; then what was attended
  at::Tensor wide;     // [R, max(3 W, 2 hidden)]
  at::Tensor gated;    // [R, hidden]
  std::vector<at::Tensor> skips;  // [R, 2 W] each: input of a layer that takes a skip | the skip
  at::Tensor last;                // [Q, W]
  at::Tensor normed_x;            // [Q, W + M] result of the transformer | the state
  at::Tensor head;                // [Q, 2 C] the WaveNet's x | sum of its skips
  at::Tensor taps;                // [Q, kernel * C], the widest
  at::Tensor head_wide;           // [Q, 2 C]
  at::Tensor head_gated;          // [Q, C]
  at::Tensor head_normed;         // [Q, C]
  // float32:
  at::Tensor velocity;  // [Q, M] without the last bias
  at::Tensor x;         // [Q, M] the state; its rows are no more than the head's
  at::Tensor rotary;    // [R, head size / 2] complex; not in `memory`, as are the tables

  int32_t *positions = nullptr, *step = nullptr;
  int32_t* tile_counts = nullptr;  // [lane][trunk, head]
  int32_t* state_count = nullptr;
  HeadRow* places = nullptr;
  FlowStateRow* state = nullptr;
  AttentionTile* tiles = nullptr;  // [lane][trunk, head][room_for_tiles]
  int64_t room_for_tiles = 0;

 private:
  int64_t lay_out(const FlowNetwork& network);
  void make_tables(at::Device device);
  at::Tensor tables_;  // bytes
};

}  // namespace indextts2
