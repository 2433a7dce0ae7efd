// Attention masks, and sequences of rows made from host data or joined.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace indextts2 {

// Values in a new tensor [n] on `device`.
at::Tensor int64_tensor(const std::vector<int64_t>& values, at::Device device = at::kCPU);
at::Tensor float_tensor(const std::vector<float>& values, at::Device device = at::kCPU);
// first, first + 1, ..., first + count - 1 as int64 [count].
at::Tensor index_range(int64_t first, int64_t count, at::Device device = at::kCPU);

// [B, T1, C], [B, T2, C], ... -> [B, T1 + T2 + ..., C].
at::Tensor join_rows(const std::vector<at::Tensor>& parts);

// Additive mask of `dtype` from keep [...] (bool or integer, non-zero = seen): 0 where kept, else
// the lowest finite value.
at::Tensor additive_mask(const at::Tensor& keep, at::ScalarType dtype);

}  // namespace indextts2
