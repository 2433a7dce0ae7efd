// The weights of the flow as its CUDA version multiplies them: products of the same rows joined,
// the rest shared with the module.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/flow_types.h"
#include "modules/flow_matching.h"

namespace indextts2 {

struct FlowMatrix {
  at::Tensor weight, bias;  // [out, in], [out] or undefined; contiguous
  int64_t in() const { return weight.size(1); }
  int64_t out() const { return weight.size(0); }
};

// Letters: W width, C channels of the WaveNet, M mel bands.
struct FlowNetwork {
  struct Layer {
    FlowMatrix skip;  // of [x, skip]; undefined: takes none
    FlowMatrix qkv, attention_out, gate_up, down;
  };
  struct HeadLayer {
    FlowMatrix convolve, output;
    int64_t kernel, dilation;
  };
  // Needs supports(*flow).
  explicit FlowNetwork(std::shared_ptr<const FlowMatching> flow);
  // Whether the kernels know sizes, type and device.
  static bool supports(const FlowMatching& flow);

  std::shared_ptr<const FlowMatching> flow;
  FlowType type;
  at::Device device;
  int64_t width, heads, head_size, hidden, channels, mel;
  FlowMatrix input;  // of x; the constants are added
  std::vector<Layer> layers;
  FlowMatrix skip;     // of [normed, x]: skip_linear
  FlowMatrix head_in;  // [2 C, W]: input of the WaveNet, and what is added to its result
  std::vector<HeadLayer> head;
  FlowMatrix head_linear, head_out;  // the bias of head_out is added by the Euler step
};

}  // namespace indextts2
