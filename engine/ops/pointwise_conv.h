// Convolutions of kernel 1 as matrix products.
#pragma once

#include <cstdint>

#include "ops/layers.h"

namespace indextts2 {

// A Conv1d of kernel 1 (weight [out, in, 1], may be weight-normed) as a Linear, for x [..., T, in].
Linear take_pointwise_conv(const Weights& weights, int64_t in, int64_t out, Bias bias = Bias::kYes);

}  // namespace indextts2
