// Attention masks, and sequences of rows made from host data or joined.
#include "ops/mask.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
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

at::Tensor int64_tensor(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong)).to(device);
}

at::Tensor float_tensor(const std::vector<float>& values, at::Device device) {
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat)).to(device);
}

at::Tensor index_range(int64_t first, int64_t count, at::Device device) {
  return at::arange(first, first + count, at::TensorOptions().dtype(at::kLong).device(device));
}

at::Tensor join_rows(const std::vector<at::Tensor>& parts) { return at::cat(parts, 1); }

at::Tensor additive_mask(const at::Tensor& keep, at::ScalarType dtype) {
  const at::Tensor hidden = keep.to(at::kBool).logical_not();
  return at::zeros(keep.sizes(), at::TensorOptions().dtype(dtype).device(keep.device()))
      .masked_fill_(hidden, lowest(dtype));
}

}  // namespace indextts2
