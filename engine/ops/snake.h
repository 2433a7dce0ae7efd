// The anti-aliased periodic activation of BigVGAN: up by 2, x + sin^2(a x) / b, down by 2.
#pragma once

#include <ATen/core/Tensor.h>

#include "weights/weights.h"

namespace indextts2 {

// SnakeBeta between two resamplings by 2 with low-pass filters, ends replicated. Thread-safety:
// const.
struct AntiAliasedSnake {
  // Takes act.{alpha,beta} (logarithms, [C]), upsample.filter and downsample.lowpass.filter ([1, 1,
  // K], K even).
  explicit AntiAliasedSnake(const Weights& weights, int64_t channels);
  // x [B, C, T] -> the same shape. float32 on the CPU runs a fused loop, everything else compose().
  at::Tensor operator()(const at::Tensor& x) const;
  // The definition, from LibTorch's operators.
  at::Tensor compose(const at::Tensor& x) const;

  at::Tensor frequency;    // e^alpha [C]
  at::Tensor gain;         // 1 / (e^beta + 1e-9) [C]
  at::Tensor up_filter;    // [1, 1, K]
  at::Tensor down_filter;  // [1, 1, K]
};

}  // namespace indextts2
