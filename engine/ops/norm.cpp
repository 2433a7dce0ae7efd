// Normalisations whose scale and shift come from outside.
#include "ops/norm.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>

namespace indextts2 {
namespace {

// x / sqrt(mean(x^2) + eps), computed in float32.
at::Tensor unit_rms(const at::Tensor& x, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor factor =
      at::mean(wide.mul(wide), /*dim=*/{-1}, /*keepdim=*/true).add_(eps).rsqrt_();
  return wide.mul(factor).to(x.scalar_type());
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& scale, double eps) {
  return unit_rms(x, eps).mul_(scale);
}

at::Tensor adaptive_rms_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                             double eps) {
  return at::addcmul(shift, unit_rms(x, eps), scale);
}

at::Tensor adaptive_layer_norm(const at::Tensor& x, const at::Tensor& scale,
                               const at::Tensor& shift, double eps) {
  return at::layer_norm(x, {x.size(-1)}, scale, shift, eps);
}

}  // namespace indextts2
