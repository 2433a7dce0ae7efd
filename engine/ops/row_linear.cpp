// Linear layers on the few rows that decoding feeds at a time.
#include "ops/row_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

#include "ops/activation.h"

namespace indextts2 {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using PointwiseLinear = c10::TypedOperatorHandle<at::Tensor(
    const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
    Scalars, std::optional<std::string_view>)>;

// oneDNN's linear layer with an activation; LibTorch has it only as an operator found by name.
// Empty where it was built without oneDNN.
std::optional<PointwiseLinear> find_pointwise_linear() {
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found) return std::nullopt;
  return found
      ->typed<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                         std::string_view, Scalars, std::optional<std::string_view>)>();
}

// Undefined where oneDNN is no help.
at::Tensor try_onednn(const Linear& layer, const at::Tensor& x, std::string_view activation,
                      std::string_view algorithm) {
  static const std::optional<PointwiseLinear> kLinear = find_pointwise_linear();
  const int64_t rows = x.size(0);
  if (!kLinear || rows < 2 || !x.device().is_cpu() || x.scalar_type() != at::kFloat) return {};
  const auto call = [&](const at::Tensor& part) {
    return kLinear->call(part, layer.weight, layer.bias, activation, Scalars(), algorithm);
  };
  if (rows <= kRowsAtOnce) return call(x);
  at::Tensor y = x.new_empty({rows, layer.weight.size(0)});
  const int64_t parts = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  for (int64_t part = 0; part < parts; ++part) {  // of even size: none is a single row
    const int64_t begin = rows * part / parts, end = rows * (part + 1) / parts;
    y.narrow(0, begin, end - begin).copy_(call(x.narrow(0, begin, end - begin)));
  }
  return y;
}

}  // namespace

at::Tensor linear_rows(const Linear& layer, const at::Tensor& x) {
  at::Tensor y = try_onednn(layer, x, "none", "");
  return y.defined() ? y : layer(x);
}

at::Tensor linear_rows_gelu_tanh(const Linear& layer, const at::Tensor& x) {
  at::Tensor y = try_onednn(layer, x, "gelu", "tanh");
  if (y.defined()) return y;
  y = layer(x);
  gelu_tanh_(y);
  return y;
}

}  // namespace indextts2
