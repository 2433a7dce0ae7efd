// The layers that networks are made of. Each takes its own weights by scope in its constructor and is const afterwards;
// sizes given as kAny come from the file. Shape letters: B batch, T time, C channels.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weights/weights.h"

namespace indextts2 {

enum class Bias { kYes, kNo };

// y = x W^T + b in the dtype of x; weight [out, in] (may be weight-normed), kept in WeightsOptions::matrix_dtype.
struct Linear {
  Linear(const Weights& weights, int64_t in, int64_t out, Bias bias = Bias::kYes);
  Linear(at::Tensor weight, at::Tensor bias);  // `bias` may be undefined
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]
  at::Tensor weight, bias;
};

// GPT-2's Conv1D: y = x W + b with weight [in, out]; kept transposed, so it is a Linear from here on.
Linear take_gpt2_conv1d(const Weights& weights, int64_t in, int64_t out);

// any_length: inputs have ever new lengths, for each of which cuDNN makes a plan, milliseconds for some, a tenth of a
// second for others. So on a device it runs as_product(), or by LibTorch's own kernel if it is depthwise.
struct Conv1dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  Bias bias = Bias::kYes;
  bool any_length = false;
};

// weight [out, in / groups, kernel] (may be weight-normed).
struct Conv1d {
  Conv1d(const Weights& weights, int64_t in, int64_t out, int64_t kernel, Conv1dOptions options = {});
  at::Tensor operator()(const at::Tensor& x) const;  // [B, in, T] -> [B, out, T']
  at::Tensor as_product(const at::Tensor& x) const;  // as one matrix product; groups of 1
  at::Tensor depthwise(const at::Tensor& x) const;   // on CUDA, as many groups as channels
  at::Tensor weight, bias;
  Conv1dOptions options;
};

// weight [in, out, kernel] (may be weight-normed).
struct ConvTranspose1d {
  ConvTranspose1d(const Weights& weights, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding);
  at::Tensor operator()(const at::Tensor& x) const;  // [B, in, T] -> [B, out, T']
  at::Tensor weight, bias;
  int64_t stride, padding;
};

// any_length: as above.
struct Conv2dOptions {
  std::vector<int64_t> stride = {1, 1};
  std::vector<int64_t> padding = {0, 0};
  Bias bias = Bias::kYes;
  bool any_length = false;
};

// weight [out, in, kh, kw].
struct Conv2d {
  Conv2d(const Weights& weights, int64_t in, int64_t out, int64_t kernel_h, int64_t kernel_w, Conv2dOptions options = {});
  at::Tensor operator()(const at::Tensor& x) const;  // [B, in, H, W] -> [B, out, H', W']
  // As matrix products, each for as many rows of the result as read no more than `most` values, each
  // counted for every result that reads it.
  at::Tensor as_product(const at::Tensor& x, int64_t most = int64_t{1} << 23) const;
  at::Tensor weight, bias;
  Conv2dOptions options;
};

// Over the last dimension.
struct LayerNorm {
  LayerNorm(const Weights& weights, int64_t size, double eps = 1e-5);
  LayerNorm(at::Tensor weight, at::Tensor bias, double eps = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;
  at::Tensor weight, bias;
  double eps;
};

// Over channels and time of [B, C, T], `groups` groups.
struct GroupNorm {
  GroupNorm(const Weights& weights, int64_t channels, int64_t groups = 1, double eps = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;
  at::Tensor weight, bias;
  int64_t groups;
  double eps;
};

// Batch norm in evaluation mode, as y = x * scale + shift per channel (dim 1); weight and bias may be absent in the file.
struct FoldedBatchNorm {
  FoldedBatchNorm(const Weights& weights, int64_t channels, double eps = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;  // [B, C], [B, C, T] or [B, C, H, W]
  // The same convolution followed by this norm as one convolution (weight' = weight * scale, bias' = bias * scale + shift).
  void fold_into(Conv1d& conv) const;
  void fold_into(Conv2d& conv) const;
  at::Tensor scale, shift;  // [C]
};

// weight [rows, width].
struct Embedding {
  Embedding(const Weights& weights, int64_t rows, int64_t width);
  at::Tensor operator()(const at::Tensor& ids) const;  // int64 [...] -> [..., width]
  at::Tensor weight;
};

}  // namespace indextts2
