// The root mean square norm as a layer.
#include "ops/rms_norm.h"

#include "ops/norm.h"

namespace indextts2 {

RmsNorm::RmsNorm(const Weights& weights, int64_t size, double eps)
    : weight(weights.take("weight", {size})), eps(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const { return rms_norm(x, weight, eps); }

}  // namespace indextts2
