// Attention masks.
#include "ops/mask.h"

#include <ATen/ops/zeros.h>

#include <limits>

namespace indextts2 {
namespace {

double lowest(at::ScalarType dtype) {
  if (dtype == at::kHalf) return -65504.0;
  if (dtype == at::kBFloat16) return -3.3895313892515355e38;
  if (dtype == at::kDouble) return std::numeric_limits<double>::lowest();
  return std::numeric_limits<float>::lowest();
}

}  // namespace

at::Tensor additive_mask(const at::Tensor& keep, at::ScalarType dtype) {
  const at::Tensor hidden = keep.to(at::kBool).logical_not();
  return at::zeros(keep.sizes(), at::TensorOptions().dtype(dtype).device(keep.device()))
      .masked_fill_(hidden, lowest(dtype));
}

}  // namespace indextts2
