// Rotary position embedding on pairs of a head's features.
#include "ops/rotary.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/view_as_real.h>

namespace indextts2 {

at::Tensor rotary_table(int64_t frames, int64_t head_size, double base, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor exponent = at::arange(0, head_size, 2, options).div_(head_size);
  const at::Tensor speed = at::pow(base, exponent).reciprocal_();
  const at::Tensor angle = at::outer(at::arange(frames, options), speed);
  return at::complex(angle.cos(), angle.sin());
}

void rotate_(at::Tensor x, const at::Tensor& table) {
  const at::Tensor turn = table.unsqueeze(1);  // [T, 1, D / 2]
  std::vector<int64_t> pairs = x.sizes().vec();
  pairs.back() /= 2;
  pairs.push_back(2);
  if (x.scalar_type() == at::kFloat) {
    at::view_as_complex(x.view(pairs)).mul_(turn);
    return;
  }
  const at::Tensor wide = x.to(at::kFloat).contiguous().view(pairs);
  x.copy_(at::view_as_real(at::view_as_complex(wide).mul_(turn)).view(x.sizes()));
}

at::Tensor rotate_halves(const at::Tensor& x, const at::Tensor& table) {
  const at::Tensor turn = at::view_as_real(table).unsqueeze(1);  // [T, 1, D / 2, 2]
  const at::Tensor cos = turn.select(-1, 0), sin = turn.select(-1, 1);
  const int64_t half = x.size(-1) / 2;
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor a = wide.narrow(-1, 0, half), b = wide.narrow(-1, half, half);
  return at::cat({a.mul(cos).sub_(b.mul(sin)), b.mul(cos).add_(a.mul(sin))}, -1)
      .to(x.scalar_type());
}

}  // namespace indextts2
