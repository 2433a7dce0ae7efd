// Conformer encoder of the GPT's conditions: semantic features at 50 Hz -> context at 25 Hz.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// One block: attention, convolution, feed-forward, each normalised before and added after.
class ConformerBlock {
 public:
  ConformerBlock(const Weights& weights, int64_t width);
  // x [1, T, C], positions [1, T, C] -> [1, T, C]
  at::Tensor forward(const at::Tensor& x, const at::Tensor& positions) const;

 private:
  at::Tensor attention(const at::Tensor& x, const at::Tensor& positions) const;
  at::Tensor convolution(const at::Tensor& x) const;

  LayerNorm attention_norm_;
  at::Tensor bias_u_, bias_v_;  // [H, D]
  Linear query_, key_, value_, position_, attention_out_;
  LayerNorm conv_norm_;
  Linear conv_in_;
  Conv1d depthwise_;
  LayerNorm depthwise_norm_;
  Linear conv_out_;
  LayerNorm ff_norm_;
  Linear ff_in_, ff_out_;
  LayerNorm final_norm_;
};

// Thread-safety: const. All sizes, heads included, come from the tensors.
class ConformerEncoder {
 public:
  // `input_width`: of the features; checked against the subsampling layer. The linear part of that
  // layer, by far the largest of the network, computes in the dtype that its matrix is kept in
  // (WeightsOptions::matrix_dtype).
  ConformerEncoder(const Weights& weights, int64_t input_width);

  int64_t width() const { return after_norm_.weight.size(0); }
  // features [1, T, input_width], T >= 3 -> [1, (T - 1) / 2, width]. No frame is masked.
  at::Tensor forward(const at::Tensor& features) const;
  // Its first step: [1, T, input_width] -> [1, (T - 1) / 2, width].
  at::Tensor subsample(const at::Tensor& features) const;

 private:
  at::Tensor convolve(const at::Tensor& features, int64_t start, int64_t count) const;
  at::Tensor positions(int64_t frames) const;

  Conv2d subsample_conv_;
  Linear subsample_out_;
  at::Tensor position_table_;  // [1, P, C]; undefined: not in the file; what it lacks is computed
  std::vector<ConformerBlock> blocks_;
  LayerNorm after_norm_;
};

}  // namespace indextts2
