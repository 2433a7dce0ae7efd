// WaveNet: gated convolutions with skip outputs, the head of the mel model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// Works on rows of frames [B, T, C]; a convolution is a matrix product over reflected neighbours.
// Thread-safety: const.
class WaveNet {
 public:
  struct Layer {
    Linear input;  // [2 C, kernel * C], no bias
    at::Tensor input_bias;
    Linear output;  // [2 C, C]: residual, skip; the last layer only skip
    int64_t kernel, dilation;
    int64_t reach() const { return (kernel - 1) / 2 * dilation; }
  };

  // Layer i has dilation dilation_rate^i.
  WaveNet(const Weights& weights, int64_t dilation_rate);
  // What the time embedding t [S, C] adds inside each layer, with the convolutions' own biases: [S,
  // layers, 2 C].
  at::Tensor time_biases(const at::Tensor& t) const;
  // x [B, T, C], biases [layers, 2 C] -> sum of the skip outputs [B, T, C]. Needs T > reach of the
  // widest layer.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& biases) const;

  int64_t channels() const { return channels_; }
  const std::vector<Layer>& layers() const { return layers_; }
  int64_t halo() const;        // frames on either side that an output frame depends on
  int64_t min_frames() const;  // shortest T

 private:
  static Layer take_layer(const Weights& weights, int64_t index, int64_t channels,
                          int64_t dilation);

  int64_t channels_;
  Linear time_;
  std::vector<Layer> layers_;
};

}  // namespace indextts2
