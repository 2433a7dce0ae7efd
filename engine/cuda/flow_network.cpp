// The weights of the flow as its CUDA version multiplies them.
#include "cuda/flow_network.h"

#include <c10/core/DeviceGuard.h>

#include "cuda/kernels/device_code.h"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_rows.h"
#include "ops/frames.h"

namespace indextts2 {
namespace {

FlowMatrix shared(const Linear& linear) {
  return {linear.weight.contiguous(),
          linear.bias.defined() ? linear.bias.contiguous() : linear.bias};
}

// Both outputs of the same input.
FlowMatrix stacked(const Linear& a, const Linear& b) {
  return {concat({a.weight, b.weight}, 0),
          a.bias.defined() ? concat({a.bias, b.bias}, 0) : at::Tensor()};
}

// The same of two without biases. Where one lies behind the other nothing is copied.
FlowMatrix joined(const Linear& first, const Linear& second) {
  const at::Tensor &a = first.weight, &b = second.weight;
  if (a.is_contiguous() && b.is_contiguous() && a.is_alias_of(b) &&
      b.storage_offset() == a.storage_offset() + a.numel()) {
    return {a.as_strided({a.size(0) + b.size(0), a.size(1)}, {a.size(1), 1}, a.storage_offset()),
            {}};
  }
  return {concat({a, b}, 0), {}};
}

}  // namespace

bool FlowNetwork::supports(const FlowMatching& flow) {
  const Dit& dit = flow.dit;
  const at::Tensor& input = dit.input_x().weight;
  if (!input.is_cuda() || !is_flow_type(input.scalar_type())) return false;
  // Half types are multiplied by tensor cores of sm_80 and newer.
  const c10::DeviceGuard guard(input.device());
  if (!has_device_code(input.scalar_type() == at::kFloat ? 0 : 80)) return false;
  const int64_t width = input.size(0), mel = dit.mel_bands(), channels = dit.wavenet().channels();
  const int64_t hidden = dit.layers().front().gate.weight.size(0);
  const int64_t head_size = width / dit.layers().front().heads;
  for (const int64_t size : {width, mel, channels, hidden}) {
    if (size % 8 != 0) return false;
  }
  return width <= kMaxFlowNormWidth && channels <= kMaxFlowNormWidth &&
         attention_supports(static_cast<int>(head_size));
}

FlowNetwork::FlowNetwork(std::shared_ptr<const FlowMatching> module)
    : flow(std::move(module)),
      type(flow_type_of(flow->dit.input_x().weight.scalar_type())),
      device(flow->dit.input_x().weight.device()),
      width(flow->dit.input_x().weight.size(0)),
      heads(flow->dit.layers().front().heads),
      head_size(width / heads),
      hidden(flow->dit.layers().front().gate.weight.size(0)),
      channels(flow->dit.wavenet().channels()),
      mel(flow->dit.mel_bands()),
      input(shared(flow->dit.input_x())),
      skip({concat({flow->dit.skip_hidden().weight, flow->dit.skip_x().weight}, 1),
            flow->dit.skip_hidden().bias}),
      head_in(stacked(flow->dit.head_in(), flow->dit.residual())),
      head_linear(shared(flow->dit.head_linear())),
      head_out(shared(flow->dit.head_out())) {
  for (const Dit::Layer& layer : flow->dit.layers()) {
    layers.push_back({layer.skip.empty() ? FlowMatrix() : shared(layer.skip.front()),
                      joined(layer.query, layer.key_value), shared(layer.attention_out),
                      joined(layer.gate, layer.up), shared(layer.down)});
  }
  for (const WaveNet::Layer& layer : flow->dit.wavenet().layers()) {
    head.push_back({shared(layer.input), shared(layer.output), layer.kernel, layer.dilation});
  }
}

}  // namespace indextts2
