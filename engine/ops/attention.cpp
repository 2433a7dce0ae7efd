// Scaled dot product attention, on LibTorch's fused operator.
#include "ops/attention.h"

#include <ATen/ops/gather.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <optional>

namespace indextts2 {
namespace {

constexpr int64_t kMaskAlignment = 8;

}  // namespace

at::Tensor split_heads(const at::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

at::Tensor merge_heads(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& mask) {
  const std::optional<at::Tensor> bias =
      mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, bias);
}

at::Tensor gather_mask(const at::Tensor& scores, const at::Tensor& index) {
  const int64_t batch = scores.size(0), heads = scores.size(1), queries = index.size(0),
                keys = index.size(1);
  const int64_t row = (keys + kMaskAlignment - 1) / kMaskAlignment * kMaskAlignment;
  at::Tensor mask = scores.new_empty({batch, heads, queries, row}).narrow(-1, 0, keys);
  return at::gather_out(mask, scores, -1, index.expand({batch, heads, queries, keys}));
}

at::Tensor attend_causal(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::scaled_dot_product_attention(q, k, v, std::nullopt, /*dropout_p=*/0.0,
                                          /*is_causal=*/true);
}

}  // namespace indextts2
