// Scaled dot product attention. Shape letters: B batch, H heads, Q queries, K keys, D head size.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace indextts2 {

// [B, T, H * D] -> [B, H, T, D] (a view), and back [B, H, T, D] -> [B, T, H * D].
at::Tensor split_heads(const at::Tensor& x, int64_t heads);
at::Tensor merge_heads(const at::Tensor& x);

// softmax(q k^T / sqrt(D) + mask) v: q [B, H, Q, D], k and v [B, H, K, D] -> [B, H, Q, D].
// `mask`: undefined, or additive and of q's dtype, broadcast to [B, H, Q, K].
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& mask = {});

// The same where query i sees keys 0 .. i only; Q == K.
at::Tensor attend_causal(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace indextts2
