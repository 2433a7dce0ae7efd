// Linear layers on the few rows that decoding feeds at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/layers.h"

namespace indextts2 {

// Note [Few rows]: for 2 to about 20 rows in float32 the matrix product that LibTorch takes on CPUs
// reads the weights at a fraction of the memory's speed (3 rows cost 4 to 6 times one row on AMD
// CPUs); oneDNN's does not. It also adds up a row in the same order whatever their number, up to
// kRowsAtOnce: so more rows are cut into parts of at most that many, and what a segment gives does
// not depend on the segments beside it. One row alone is a loop of our own (vector_product.h), 2.2
// times as fast as LibTorch's on AMD CPUs. Other devices and types: the plain layer.
inline constexpr int64_t kRowsAtOnce = 9;

// x W^T + b of x [N, in]: what layer(x) gives.
at::Tensor linear_rows(const Linear& layer, const at::Tensor& x);
// gelu_tanh(x W^T + b), in one pass where possible.
at::Tensor linear_rows_gelu_tanh(const Linear& layer, const at::Tensor& x);

}  // namespace indextts2
