// Tensors from vectors in host memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace indextts2 {

// A CPU tensor of `shape` that holds a copy of `values`, whose count must fit. float32, float64 or
// int64 as the vector.
at::Tensor host_tensor(const std::vector<float>& values, at::IntArrayRef shape);
at::Tensor host_tensor(const std::vector<double>& values, at::IntArrayRef shape);
at::Tensor host_tensor(const std::vector<int64_t>& values, at::IntArrayRef shape);

// One dimension: values in a new tensor [n] on `device`.
at::Tensor int64_tensor(const std::vector<int64_t>& values, at::Device device = at::kCPU);
at::Tensor float_tensor(const std::vector<float>& values, at::Device device = at::kCPU);
// first, first + 1, ..., first + count - 1 as int64 [count].
at::Tensor index_range(int64_t first, int64_t count, at::Device device = at::kCPU);

}  // namespace indextts2
