// Attention masks.
#pragma once

#include <ATen/core/Tensor.h>

namespace indextts2 {

// Additive mask of `dtype` from keep [...] (bool or integer, non-zero = seen): 0 where kept, else
// the lowest finite value.
at::Tensor additive_mask(const at::Tensor& keep, at::ScalarType dtype);

}  // namespace indextts2
