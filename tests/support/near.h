// Comparing tensors in tests.
#pragma once

#include <ATen/core/Tensor.h>

namespace indextts2 {

// Largest absolute difference; NaN anywhere gives NaN, which fails every comparison.
inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.to(at::kDouble).sub(b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace indextts2
