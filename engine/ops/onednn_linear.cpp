// Linear layers through oneDNN.
#include "ops/onednn_linear.h"

#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

namespace indextts2 {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using PointwiseLinear = c10::TypedOperatorHandle<at::Tensor(
    const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
    Scalars, std::optional<std::string_view>)>;

// LibTorch has it only as an operator found by name.
std::optional<PointwiseLinear> find_pointwise_linear() {
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found || at::get_cpu_capability().find("AVX") == std::string::npos) return std::nullopt;
  return found
      ->typed<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                         std::string_view, Scalars, std::optional<std::string_view>)>();
}

}  // namespace

at::Tensor try_onednn_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             std::string_view activation, std::string_view algorithm) {
  static const std::optional<PointwiseLinear> kLinear = find_pointwise_linear();
  const int64_t in = weight.size(1);
  if (!kLinear || !x.device().is_cpu() || x.scalar_type() != at::kFloat || x.numel() < 2 * in) {
    return {};
  }
  return kLinear->call(x.contiguous(), weight, bias, activation, Scalars(), algorithm);
}

}  // namespace indextts2
