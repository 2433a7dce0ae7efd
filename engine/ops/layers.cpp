// The layers that networks are made of, on LibTorch's operators.
#include "ops/layers.h"

#include <ATen/ops/_conv_depthwise2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose1d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <utility>

#include "ops/onednn_linear.h"

namespace indextts2 {
namespace {

at::Tensor take_bias(const Weights& weights, Bias bias, int64_t size) {
  return bias == Bias::kYes ? weights.take("bias", {size}) : at::Tensor();
}

// `scale` [C] shaped so that it multiplies dim 1 of an x of `dim` dimensions.
at::Tensor along_channels(const at::Tensor& scale, int64_t dim) {
  std::vector<int64_t> shape(dim, 1);
  shape[1] = scale.size(0);
  return scale.view(shape);
}

// Contiguous; `pads`: of at::constant_pad_nd.
at::Tensor zeros_around(const at::Tensor& x, const std::vector<int64_t>& pads) {
  const bool none = std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  return (none ? x : at::constant_pad_nd(x, pads)).contiguous();
}

template <class Conv>
void fold_norm(const FoldedBatchNorm& norm, Conv& conv) {
  std::vector<int64_t> shape(conv.weight.dim(), 1);
  shape[0] = norm.scale.size(0);
  conv.weight = conv.weight.mul(norm.scale.view(shape)).contiguous();
  conv.bias = conv.bias.defined() ? conv.bias.mul(norm.scale).add(norm.shift) : norm.shift;
}

}  // namespace

Linear::Linear(const Weights& weights, int64_t in, int64_t out, Bias with_bias)
    : weight(weights.take_matrix({out, in})), bias(take_bias(weights, with_bias, weight.size(0))) {}

Linear::Linear(at::Tensor weight, at::Tensor bias)
    : weight(std::move(weight)), bias(std::move(bias)) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (weight.scalar_type() != x.scalar_type()) {
    return at::linear(x, weight.to(x.scalar_type()), bias);
  }
  at::Tensor y = try_onednn_linear(x, weight, bias);
  return y.defined() ? y : at::linear(x, weight, bias);
}

Linear take_gpt2_conv1d(const Weights& weights, int64_t in, int64_t out) {
  at::Tensor weight = weights.take("weight", {in, out}).t().contiguous();
  at::Tensor bias = weights.take("bias", {weight.size(0)});
  return Linear(std::move(weight), std::move(bias));
}

Conv1d::Conv1d(const Weights& weights, int64_t in, int64_t out, int64_t kernel, Conv1dOptions conv)
    : weight(weights.take_normed({out, in == kAny ? kAny : in / conv.groups, kernel})),
      bias(take_bias(weights, conv.bias, weight.size(0))),
      options(conv) {}

at::Tensor Conv1d::operator()(const at::Tensor& x) const {
  if (options.any_length && !x.is_cpu()) {
    if (options.groups == 1) return as_product(x);
    if (weight.size(1) == 1 && x.is_cuda()) return depthwise(x);
  }
  return at::conv1d(x, weight, bias, options.stride, options.padding, options.dilation,
                    options.groups);
}

at::Tensor Conv1d::as_product(const at::Tensor& x) const {
  const int64_t out = weight.size(0), in = weight.size(1), kernel = weight.size(2);
  const at::Tensor padded = zeros_around(x, {options.padding, options.padding});
  const int64_t length = padded.size(2);
  const int64_t results = (length - options.dilation * (kernel - 1) - 1) / options.stride + 1;
  // What each result reads, a column each.
  const at::Tensor read =
      padded.as_strided({padded.size(0), in, kernel, results},
                        {in * length, length, options.dilation, options.stride});
  const at::Tensor y = at::matmul(weight.reshape({out, in * kernel}),
                                  read.reshape({padded.size(0), in * kernel, results}));
  return bias.defined() ? y.add(bias.unsqueeze(1)) : y;
}

at::Tensor Conv1d::depthwise(const at::Tensor& x) const {
  return at::_conv_depthwise2d(x.unsqueeze(2), weight.unsqueeze(2), {1, weight.size(2)}, bias,
                               {1, options.stride}, {0, options.padding}, {1, options.dilation})
      .squeeze(2);
}

ConvTranspose1d::ConvTranspose1d(const Weights& weights, int64_t in, int64_t out, int64_t kernel,
                                 int64_t stride, int64_t padding)
    : weight(weights.take_normed({in, out, kernel})),
      bias(weights.take("bias", {weight.size(1)})),
      stride(stride),
      padding(padding) {}

at::Tensor ConvTranspose1d::operator()(const at::Tensor& x) const {
  return at::conv_transpose1d(x, weight, bias, stride, padding);
}

Conv2d::Conv2d(const Weights& weights, int64_t in, int64_t out, int64_t kernel_h, int64_t kernel_w,
               Conv2dOptions conv)
    : weight(weights.take("weight", {out, in, kernel_h, kernel_w})),
      bias(take_bias(weights, conv.bias, weight.size(0))),
      options(std::move(conv)) {}

at::Tensor Conv2d::as_product(const at::Tensor& x, int64_t most) const {
  const int64_t out = weight.size(0), in = weight.size(1), batch = x.size(0);
  const int64_t rows = weight.size(2), columns = weight.size(3);
  const int64_t down = options.stride[0], along = options.stride[1];
  const at::Tensor padded = zeros_around(
      x, {options.padding[1], options.padding[1], options.padding[0], options.padding[0]});
  const int64_t height = padded.size(2), width = padded.size(3);
  const int64_t high = (height - rows) / down + 1, wide = (width - columns) / along + 1;
  const int64_t at_once = std::max<int64_t>(1, most / (batch * in * rows * columns * wide));
  std::vector<at::Tensor> parts;
  for (int64_t row = 0; row < high; row += at_once) {
    const int64_t count = std::min(at_once, high - row);
    const at::Tensor read =
        padded.narrow(2, row * down, (count - 1) * down + rows)
            .as_strided({batch, in, rows, columns, count, wide},
                        {in * height * width, height * width, width, 1, down * width, along});
    const at::Tensor part = at::matmul(weight.reshape({out, in * rows * columns}),
                                       read.reshape({batch, in * rows * columns, count * wide}));
    parts.push_back(part.view({batch, out, count, wide}));
  }
  const at::Tensor y = parts.size() == 1 ? parts.front() : at::cat(parts, 2);
  return bias.defined() ? y.add_(bias.view({-1, 1, 1})) : y;
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  if (options.any_length && !x.is_cpu()) return as_product(x);
  return at::conv2d(x, weight, bias, options.stride, options.padding);
}

LayerNorm::LayerNorm(const Weights& weights, int64_t size, double eps)
    : weight(weights.take("weight", {size})),
      bias(weights.take("bias", {weight.size(0)})),
      eps(eps) {}

LayerNorm::LayerNorm(at::Tensor weight, at::Tensor bias, double eps)
    : weight(std::move(weight)), bias(std::move(bias)), eps(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {weight.size(0)}, weight, bias, eps);
}

GroupNorm::GroupNorm(const Weights& weights, int64_t channels, int64_t groups, double eps)
    : weight(weights.take("weight", {channels})),
      bias(weights.take("bias", {weight.size(0)})),
      groups(groups),
      eps(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return at::group_norm(x, groups, weight, bias, eps);
}

FoldedBatchNorm::FoldedBatchNorm(const Weights& weights, int64_t channels, double eps) {
  const at::Tensor mean = weights.take_float("running_mean", {channels});
  const at::Tensor var = weights.take_float("running_var", {mean.size(0)});
  at::Tensor factor = var.add(eps).rsqrt();
  if (weights.has("weight")) factor = factor.mul(weights.take_float("weight", {mean.size(0)}));
  at::Tensor offset = mean.mul(factor).neg();
  if (weights.has("bias")) offset = offset.add(weights.take_float("bias", {mean.size(0)}));
  scale = factor.to(weights.options().dtype);
  shift = offset.to(weights.options().dtype);
}

at::Tensor FoldedBatchNorm::operator()(const at::Tensor& x) const {
  return x.mul(along_channels(scale, x.dim())).add_(along_channels(shift, x.dim()));
}

void FoldedBatchNorm::fold_into(Conv1d& conv) const { fold_norm(*this, conv); }
void FoldedBatchNorm::fold_into(Conv2d& conv) const { fold_norm(*this, conv); }

Embedding::Embedding(const Weights& weights, int64_t rows, int64_t width)
    : weight(weights.take("weight", {rows, width})) {}

at::Tensor Embedding::operator()(const at::Tensor& ids) const { return at::embedding(weight, ids); }

}  // namespace indextts2
