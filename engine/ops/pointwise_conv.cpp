// Convolutions of kernel 1 as matrix products.
#include "ops/pointwise_conv.h"

#include <utility>

namespace indextts2 {

Linear take_pointwise_conv(const Weights& weights, int64_t in, int64_t out, Bias bias) {
  at::Tensor weight = weights.take_matrix({out, in, 1}).squeeze(-1);
  at::Tensor offset = bias == Bias::kYes ? weights.take("bias", {weight.size(0)}) : at::Tensor();
  return Linear(std::move(weight), std::move(offset));
}

}  // namespace indextts2
