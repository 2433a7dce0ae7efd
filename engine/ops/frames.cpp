// Selecting and joining frames.
#include "ops/frames.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

namespace indextts2 {

std::vector<int64_t> nearest_frames(int64_t in, int64_t out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<int64_t> source(static_cast<size_t>(out));
  for (int64_t i = 0; i < out; ++i) {
    const auto nearest = static_cast<int64_t>(std::floor(static_cast<float>(i) * scale));
    source[static_cast<size_t>(i)] = std::min(nearest, in - 1);
  }
  return source;
}

at::Tensor resize_nearest(const at::Tensor& x, int64_t out) {
  const at::Tensor source = at::tensor(nearest_frames(x.size(1), out), at::kLong);
  return x.index_select(1, source.to(x.device()));
}

at::Tensor unfold_reflected(const at::Tensor& x, int64_t kernel, int64_t dilation) {
  if (kernel == 1) return x;
  const int64_t frames = x.size(1), padding = (kernel - 1) / 2 * dilation, last = frames - 1;
  const auto options = at::TensorOptions().dtype(at::kLong).device(x.device());
  const at::Tensor taps = at::arange(kernel, options).mul_(dilation).sub_(padding);
  const at::Tensor wanted = at::arange(frames, options).unsqueeze(1).add(taps).flatten();
  // |i| reflects before frame 0, last - |last - i| after the last one.
  const at::Tensor source = wanted.abs_().neg_().add_(last).abs_().neg_().add_(last);
  return x.index_select(1, source).view({x.size(0), frames, kernel * x.size(2)});
}

at::Tensor concat(const std::vector<at::Tensor>& parts, int64_t dim) { return at::cat(parts, dim); }

}  // namespace indextts2
