// Normalisations whose scale and shift come from outside, as a diffusion transformer's time
// embedding gives them, or from a layer.
#pragma once

#include <ATen/core/Tensor.h>

namespace indextts2 {

// x / sqrt(mean(x^2) + eps) * scale over the last dimension; scale [C]. Normalised in float32,
// scaled in the type of x.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& scale, double eps);

// x / sqrt(mean(x^2) + eps) * scale + shift over the last dimension; scale and shift [C]. Computed
// in float32.
at::Tensor adaptive_rms_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                             double eps);

// (x - mean) / sqrt(var + eps) * scale + shift over the last dimension; scale and shift [C].
at::Tensor adaptive_layer_norm(const at::Tensor& x, const at::Tensor& scale,
                               const at::Tensor& shift, double eps);

}  // namespace indextts2
