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

}  // namespace indextts2
