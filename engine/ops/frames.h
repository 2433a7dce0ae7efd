// Selecting and joining frames: x [B, T, C], one row of C features a frame.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace indextts2 {

// Which of `in` frames each of `out` frames repeats: min(floor(i * (in / out)), in - 1), the
// quotient and product in float32.
std::vector<int64_t> nearest_frames(int64_t in, int64_t out);

// x [B, in, C] -> [B, out, C] by nearest_frames().
at::Tensor resize_nearest(const at::Tensor& x, int64_t out);

// The input of a convolution of odd `kernel` as a matrix: x [B, T, C] -> [B, T, kernel * C], tap by
// tap, the frames beyond both ends reflected (the end frame is not repeated). Needs T > (kernel -
// 1) / 2 * dilation.
at::Tensor unfold_reflected(const at::Tensor& x, int64_t kernel, int64_t dilation);

at::Tensor concat(const std::vector<at::Tensor>& parts, int64_t dim);

}  // namespace indextts2
