// The root mean square norm as a layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "weights/weights.h"

namespace indextts2 {

// rms_norm() of ops/norm.h with a weight [size] of its own.
struct RmsNorm {
  RmsNorm(const Weights& weights, int64_t size, double eps);
  at::Tensor operator()(const at::Tensor& x) const;  // [..., size] -> the same
  at::Tensor weight;
  double eps;
};

}  // namespace indextts2
