// The GPT-2 trunk: pre-norm transformer layers on embeddings, with a final norm.
#include "modules/gpt2.h"

#include <array>
#include <string>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/row_linear.h"

namespace indextts2 {
namespace {

// Moves matrices of one type into one allocation: a device's are rounded up, each large one to 2
// MiB.
void move_together(const std::array<Linear*, 4>& linears) {
  constexpr int64_t kAlign = 256;  // elements
  const auto room = [](const Linear* linear) {
    return (linear->weight.numel() + kAlign - 1) / kAlign * kAlign;
  };
  int64_t total = 0;
  for (const Linear* linear : linears) total += room(linear);
  const at::Tensor all = linears.front()->weight.new_empty({total});
  int64_t begin = 0;
  for (Linear* linear : linears) {
    const at::Tensor place =
        all.narrow(0, begin, linear->weight.numel()).view(linear->weight.sizes());
    place.copy_(linear->weight);
    linear->weight = place;
    begin += room(linear);
  }
}

}  // namespace

Gpt2::Layer::Layer(const Weights& weights, int64_t width)
    : ln_1(weights.scope("ln_1"), width),
      ln_2(weights.scope("ln_2"), width),
      c_attn(take_gpt2_conv1d(weights.scope("attn.c_attn"), width, 3 * width)),
      attn_c_proj(take_gpt2_conv1d(weights.scope("attn.c_proj"), width, width)),
      c_fc(take_gpt2_conv1d(weights.scope("mlp.c_fc"), width, kAny)),
      mlp_c_proj(take_gpt2_conv1d(weights.scope("mlp.c_proj"), c_fc.weight.size(0), width)) {
  if (!c_attn.weight.is_cpu()) move_together({&c_attn, &attn_c_proj, &c_fc, &mlp_c_proj});
}

at::Tensor Gpt2::Layer::feed_forward(const at::Tensor& x) const {
  at::Tensor inner = c_fc(ln_2(x));
  gelu_tanh_(inner);
  return mlp_c_proj(inner);
}

Gpt2::Gpt2(const Weights& weights, int64_t heads)
    : ln_f_(weights.scope("ln_f"), kAny), width_(ln_f_.weight.size(0)), heads_(heads) {
  if (heads <= 0 || width_ % heads != 0) {
    throw Error(ErrorCode::kModel, "weights: gpt.ln_f.weight: width " + std::to_string(width_) +
                                       " is not a multiple of the " + std::to_string(heads) +
                                       " heads of config.yaml, in " + weights.path());
  }
  const int64_t count = weights.count("h");
  if (count == 0) {
    throw Error(ErrorCode::kModel, "weights: gpt.h.0: no GPT layer in " + weights.path());
  }
  for (int64_t i = 0; i < count; ++i) layers_.emplace_back(weights.scope("h", i), width_);
}

KvShape Gpt2::kv_shape() const {
  return {static_cast<int64_t>(layers_.size()), heads_, width_ / heads_};
}

int64_t Gpt2::weight_bytes() const {
  size_t bytes = 0;
  for (const Layer& layer : layers_) {
    for (const Linear* linear :
         {&layer.c_attn, &layer.attn_c_proj, &layer.c_fc, &layer.mlp_c_proj}) {
      bytes += linear->weight.nbytes();
    }
  }
  return static_cast<int64_t>(bytes);
}

at::Tensor Gpt2::forward(const at::Tensor& input, KvCache* cache) const {
  const int64_t positions = input.size(1);
  if (cache != nullptr) cache->extend_prefix(positions);
  at::Tensor x = input.clone();
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    // [T, 3C] -> [3, H, T, D]
    const at::Tensor qkv = layer.c_attn(layer.ln_1(x))
                               .view({positions, 3, heads_, width_ / heads_})
                               .permute({1, 2, 0, 3});
    if (cache != nullptr) cache->write(i, qkv.narrow(0, 1, 2));
    const at::Tensor seen =
        attend_causal(qkv.narrow(0, 0, 1), qkv.narrow(0, 1, 1), qkv.narrow(0, 2, 1));
    x.add_(layer.attn_c_proj(merge_heads(seen)));
    x.add_(layer.feed_forward(x));
  }
  return ln_f_(x);
}

at::Tensor Gpt2::step(const at::Tensor& input, const std::vector<KvCache*>& caches) const {
  const int64_t head_size = width_ / heads_;
  at::Tensor x = input.clone();
  at::Tensor seen = x.new_empty(x.sizes());
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const at::Tensor qkv = linear_rows(layer.c_attn, layer.ln_1(x))
                               .view({x.size(0), 3, heads_, head_size})
                               .permute({1, 2, 0, 3});
    int64_t row = 0;
    for (KvCache* cache : caches) {
      const at::Tensor own = qkv.narrow(2, row, cache->rows());
      cache->write(i, own.narrow(0, 1, 2));
      const at::Tensor out =
          attend(own.narrow(0, 0, 1), cache->keys(i), cache->values(i), cache->mask());
      seen.narrow(0, row, cache->rows())
          .view({cache->rows(), heads_, head_size})
          .copy_(out.squeeze(0).transpose(0, 1));
      row += cache->rows();
    }
    x.add_(linear_rows(layer.attn_c_proj, seen));
    x.add_(linear_rows(layer.mlp_c_proj, linear_rows_gelu_tanh(layer.c_fc, layer.ln_2(x))));
  }
  return ln_f_(x);
}

}  // namespace indextts2
