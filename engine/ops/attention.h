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

// A mask for attend(): scores [B, H, Q, N], of which column index [q, k] counts for key k, index an
// int64 [Q, K] -> [B, H, Q, K]. Its rows begin at multiples of 8 numbers: LibTorch's attention on
// CUDA copies a mask whose rows do not.
at::Tensor gather_mask(const at::Tensor& scores, const at::Tensor& index);

// attend() where query i sees keys 0 .. i only; Q == K.
at::Tensor attend_causal(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace indextts2
