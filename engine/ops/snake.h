// The anti-aliased periodic activation of BigVGAN, up by 2, x + sin^2(a x) / b, down by 2, and the
// convolution behind it.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/layers.h"
#include "ops/snake_loop.h"
#include "weights/weights.h"

namespace indextts2 {

// SnakeBeta between two resamplings by 2 with low-pass filters, ends replicated. Thread-safety:
// const.
class AntiAliasedSnake {
 public:
  // Takes act.{alpha,beta} (logarithms, [C]), upsample.filter and downsample.lowpass.filter ([1, 1,
  // K], K even).
  AntiAliasedSnake(const Weights& weights, int64_t channels);
  // x [B, C, T] -> the same shape. float32 on the CPU runs a fused loop, everything else compose().
  at::Tensor operator()(const at::Tensor& x) const;
  // The definition, from LibTorch's operators.
  at::Tensor compose(const at::Tensor& x) const;

  // Per channel; empty unless the fused loop can run: float32 on the CPU, filters of kSnakeTaps.
  const std::vector<SnakeRow>& rows() const { return rows_; }

  const at::Tensor& frequency() const { return frequency_; }
  const at::Tensor& gain() const { return gain_; }
  const at::Tensor& up_filter() const { return up_filter_; }  // zero stuffing not made up for
  const at::Tensor& down_filter() const { return down_filter_; }

 private:
  at::Tensor frequency_;    // e^alpha [C]
  at::Tensor gain_;         // 1 / (e^beta + 1e-9) [C]
  at::Tensor up_filter_;    // [1, 1, K]
  at::Tensor down_filter_;  // [1, 1, K]
  std::vector<SnakeRow> rows_;
};

// Activation, then a convolution that keeps the number of samples. Thread-safety: const.
class SnakeConv {
 public:
  SnakeConv(const AntiAliasedSnake& activation, const Conv1d& conv);
  // x [B, C, T] -> convolution(activation(x)) + residual [B, out, T]; `residual` may be undefined.
  // float32 on the CPU with few channels runs in one loop, block by block of time; everything else
  // compose().
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& residual = {}) const;
  // The definition, from LibTorch's operators.
  at::Tensor compose(const at::Tensor& x, const at::Tensor& residual = {}) const;

  const AntiAliasedSnake& activation() const { return activation_; }
  const Conv1d& conv() const { return conv_; }

 private:
  at::Tensor run_loop(const at::Tensor& x, const at::Tensor& residual) const;

  AntiAliasedSnake activation_;
  Conv1d conv_;
  std::vector<float> packed_, bias_;  // empty unless the loop can run
};

}  // namespace indextts2
