// Tensors from vectors in host memory.
#include "ops/host_tensor.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>

#include <numeric>
#include <string>

#include "core/error.h"

namespace indextts2 {
namespace {

template <class T>
at::Tensor copied(const std::vector<T>& values, at::IntArrayRef shape, at::ScalarType dtype) {
  const int64_t count =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  if (count != static_cast<int64_t>(values.size())) {
    throw Error(ErrorCode::kInternal, "host_tensor: expected " + std::to_string(count) +
                                          " values, got " + std::to_string(values.size()));
  }
  return at::from_blob(const_cast<T*>(values.data()), shape, at::TensorOptions(dtype)).clone();
}

}  // namespace

at::Tensor host_tensor(const std::vector<float>& values, at::IntArrayRef shape) {
  return copied(values, shape, at::kFloat);
}
at::Tensor host_tensor(const std::vector<double>& values, at::IntArrayRef shape) {
  return copied(values, shape, at::kDouble);
}
at::Tensor host_tensor(const std::vector<int64_t>& values, at::IntArrayRef shape) {
  return copied(values, shape, at::kLong);
}

at::Tensor int64_tensor(const std::vector<int64_t>& values, at::Device device) {
  return host_tensor(values, {static_cast<int64_t>(values.size())}).to(device);
}
at::Tensor float_tensor(const std::vector<float>& values, at::Device device) {
  return host_tensor(values, {static_cast<int64_t>(values.size())}).to(device);
}
at::Tensor index_range(int64_t first, int64_t count, at::Device device) {
  return at::arange(first, first + count, at::TensorOptions().dtype(at::kLong).device(device));
}

}  // namespace indextts2
