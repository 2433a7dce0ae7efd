// WaveNet: gated convolutions with skip outputs.
// Follows index-tts ee40fa7, indextts/s2mel/modules/wavenet.py, WN.
#include "modules/wavenet.h"

#include <algorithm>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/frames.h"

namespace indextts2 {
namespace {

// A convolution of one tap as a linear layer.
Linear take_pointwise(const Weights& weights, int64_t in, int64_t out) {
  const Conv1d conv(weights, in, out, /*kernel=*/1);
  return Linear(conv.weight.squeeze(2), conv.bias);
}

}  // namespace

WaveNet::Layer WaveNet::take_layer(const Weights& weights, int64_t index, int64_t channels,
                                   int64_t dilation) {
  const Conv1d conv(weights.scope("in_layers", index).scope("conv.conv"), channels, 2 * channels,
                    kAny);
  const int64_t kernel = conv.weight.size(2);
  if (kernel % 2 == 0) {
    throw Error(ErrorCode::kModel, "weights: wavenet.in_layers." + std::to_string(index) +
                                       ": expected an odd kernel, got " + std::to_string(kernel) +
                                       " in " + weights.path());
  }
  // [2 C, C, kernel] -> [2 C, kernel, C]: the order in which unfold_reflected() lays out the taps.
  const at::Tensor matrix = conv.weight.permute({0, 2, 1}).reshape({2 * channels, -1});
  return {
      Linear(matrix, {}), conv.bias,
      take_pointwise(weights.scope("res_skip_layers", index).scope("conv.conv"), channels, kAny),
      kernel, dilation};
}

WaveNet::WaveNet(const Weights& weights, int64_t dilation_rate)
    : channels_(weights.scope("in_layers.0.conv.conv").normed_shape().at(1)),
      time_(take_pointwise(weights.scope("cond_layer.conv.conv"), channels_, kAny)) {
  int64_t dilation = 1;
  const int64_t count = weights.count("in_layers");
  for (int64_t i = 0; i < count; ++i, dilation *= dilation_rate) {
    layers_.push_back(take_layer(weights, i, channels_, dilation));
    const int64_t want = i + 1 < count ? 2 * channels_ : channels_;
    const int64_t got = layers_.back().output.weight.size(0);
    if (got != want) {
      throw Error(ErrorCode::kModel, "weights: wavenet.res_skip_layers." + std::to_string(i) +
                                         ": expected " + std::to_string(want) +
                                         " output channels, got " + std::to_string(got) + " in " +
                                         weights.path());
    }
  }
}

at::Tensor WaveNet::time_biases(const at::Tensor& t) const {
  const auto layers = static_cast<int64_t>(layers_.size());
  at::Tensor biases = time_(t).view({t.size(0), layers, 2 * channels_});
  for (int64_t i = 0; i < layers; ++i) biases.select(1, i).add_(layers_[i].input_bias);
  return biases;
}

at::Tensor WaveNet::operator()(const at::Tensor& input, const at::Tensor& biases) const {
  at::Tensor x = input, sum;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const Linear convolve(layer.input.weight, biases.select(0, static_cast<int64_t>(i)));
    const at::Tensor wide = convolve(unfold_reflected(x, layer.kernel, layer.dilation));
    const at::Tensor gated =
        tanh(wide.narrow(2, 0, channels_)).mul_(sigmoid(wide.narrow(2, channels_, channels_)));
    const at::Tensor out = layer.output(gated);
    const at::Tensor skip = out.narrow(2, out.size(2) - channels_, channels_);
    sum = sum.defined() ? sum.add_(skip) : skip.contiguous();
    if (i + 1 < layers_.size()) x = x.add(out.narrow(2, 0, channels_));
  }
  return sum;
}

int64_t WaveNet::halo() const {
  int64_t frames = 0;
  for (const Layer& layer : layers_) frames += layer.reach();
  return frames;
}

int64_t WaveNet::min_frames() const {
  int64_t frames = 1;
  for (const Layer& layer : layers_) frames = std::max(frames, layer.reach() + 1);
  return frames;
}

}  // namespace indextts2
