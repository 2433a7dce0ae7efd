// Comparing tensors in tests.
#pragma once

#include <ATen/core/Tensor.h>

namespace indextts2 {

// Largest absolute difference; NaN anywhere gives NaN, which fails every comparison.
inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.to(at::kDouble).sub(b.to(at::kDouble)).abs().max().item<double>();
}

// largest_difference() in parts of the largest value of `want`: rounding grows with the values, and
// differs between processors.
inline double relative_difference(const at::Tensor& got, const at::Tensor& want) {
  return largest_difference(got, want) / want.abs().max().item<double>();
}

}  // namespace indextts2
