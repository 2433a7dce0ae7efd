// Linear layers on the few rows that decoding feeds at a time.
#include "ops/row_linear.h"

#include <string_view>

#include "ops/activation.h"
#include "ops/onednn_linear.h"
#include "ops/vector_product.h"

namespace indextts2 {
namespace {

// Undefined where that loop is no help.
at::Tensor try_one_row(const Linear& layer, const at::Tensor& x) {
  const at::Tensor& weight = layer.weight;
  if (x.size(0) != 1 || !x.device().is_cpu() || x.scalar_type() != at::kFloat ||
      weight.scalar_type() != at::kFloat || !weight.is_contiguous()) {
    return {};
  }
  const at::Tensor row = x.contiguous();
  at::Tensor y = x.new_empty({1, weight.size(0)});
  vector_product(weight.const_data_ptr<float>(),
                 layer.bias.defined() ? layer.bias.const_data_ptr<float>() : nullptr,
                 row.const_data_ptr<float>(), y.mutable_data_ptr<float>(), weight.size(0),
                 weight.size(1));
  return y;
}

// Undefined where oneDNN is no help.
at::Tensor try_rows(const Linear& layer, const at::Tensor& x, std::string_view activation,
                    std::string_view algorithm) {
  const int64_t rows = x.size(0);
  const auto call = [&](const at::Tensor& part) {
    return try_onednn_linear(part, layer.weight, layer.bias, activation, algorithm);
  };
  if (rows <= kRowsAtOnce) return call(x);
  at::Tensor y = x.new_empty({rows, layer.weight.size(0)});
  const int64_t parts = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  for (int64_t part = 0; part < parts; ++part) {  // of even size: none is a single row
    const int64_t begin = rows * part / parts, end = rows * (part + 1) / parts;
    const at::Tensor product = call(x.narrow(0, begin, end - begin));
    if (!product.defined()) return {};
    y.narrow(0, begin, end - begin).copy_(product);
  }
  return y;
}

}  // namespace

at::Tensor linear_rows(const Linear& layer, const at::Tensor& x) {
  at::Tensor y = try_one_row(layer, x);
  if (!y.defined()) y = try_rows(layer, x, "none", "");
  return y.defined() ? y : layer(x);
}

at::Tensor linear_rows_gelu_tanh(const Linear& layer, const at::Tensor& x) {
  at::Tensor y = try_rows(layer, x, "gelu", "tanh");
  if (y.defined()) return y;
  y = linear_rows(layer, x);
  gelu_tanh_(y);
  return y;
}

}  // namespace indextts2
