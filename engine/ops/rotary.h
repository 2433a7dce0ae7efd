// Rotary position embedding on pairs of a head's features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace indextts2 {

// Angles of positions 0 .. frames - 1 as unit complex numbers [frames, head_size / 2]; pair i turns
// by position * base^(-2i / head_size).
at::Tensor rotary_table(int64_t frames, int64_t head_size, double base, at::Device device);

// Turns the pairs (0, 1), (2, 3), ... of x [B, T, H, D] in place by table [T, D / 2]. Computed in
// float32.
void rotate_(at::Tensor x, const at::Tensor& table);

// Turns the pairs (0, D / 2), (1, D / 2 + 1), ... of x [B, T, H, D] by table [T, D / 2]; a new
// tensor. Computed in float32.
at::Tensor rotate_halves(const at::Tensor& x, const at::Tensor& table);

}  // namespace indextts2
