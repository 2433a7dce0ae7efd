// The Qwen3 language model with greedy answers.
#include "modules/qwen3.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"
#include "ops/rotary.h"
#include "ops/row_linear.h"

namespace indextts2 {
namespace {

Linear take_linear(const Weights& weights, int64_t in, int64_t out) {
  return Linear(weights, in, out, Bias::kNo);
}

// A prompt has many rows, each later token one.
at::Tensor project(const Linear& layer, const at::Tensor& x) {
  return x.size(0) == 1 ? linear_rows(layer, x) : layer(x);
}

// [1, H, T, D] -> [1, H * times, T, D], each head `times` times in a row.
at::Tensor repeat_heads(const at::Tensor& x, int64_t times) {
  if (times == 1) return x;
  return x.unsqueeze(2).expand({-1, -1, times, -1, -1}).flatten(1, 2);
}

}  // namespace

Qwen3::Layer::Layer(const Weights& weights, const QwenConfig& config)
    : input_layernorm(weights.scope("input_layernorm"), config.hidden_size, config.rms_norm_eps),
      post_attention_layernorm(weights.scope("post_attention_layernorm"), config.hidden_size,
                               config.rms_norm_eps),
      q_proj(take_linear(weights.scope("self_attn.q_proj"), config.hidden_size,
                         config.num_attention_heads * config.head_dim)),
      k_proj(take_linear(weights.scope("self_attn.k_proj"), config.hidden_size,
                         config.num_key_value_heads * config.head_dim)),
      v_proj(take_linear(weights.scope("self_attn.v_proj"), config.hidden_size,
                         config.num_key_value_heads * config.head_dim)),
      o_proj(take_linear(weights.scope("self_attn.o_proj"),
                         config.num_attention_heads * config.head_dim, config.hidden_size)),
      q_norm(weights.scope("self_attn.q_norm"), config.head_dim, config.rms_norm_eps),
      k_norm(weights.scope("self_attn.k_norm"), config.head_dim, config.rms_norm_eps),
      gate_proj(take_linear(weights.scope("mlp.gate_proj"), config.hidden_size,
                            config.intermediate_size)),
      up_proj(
          take_linear(weights.scope("mlp.up_proj"), config.hidden_size, config.intermediate_size)),
      down_proj(take_linear(weights.scope("mlp.down_proj"), config.intermediate_size,
                            config.hidden_size)) {}

Qwen3::Qwen3(const Weights& weights, const QwenConfig& config)
    : config_(config),
      embed_tokens_(weights.scope("model.embed_tokens"), config.vocab_size, config.hidden_size),
      norm_(weights.scope("model.norm"), config.hidden_size, config.rms_norm_eps),
      lm_head_(config.tie_word_embeddings
                   ? Linear(embed_tokens_.weight, {})
                   : take_linear(weights.scope("lm_head"), config.hidden_size, config.vocab_size)) {
  const int64_t count = weights.count("model.layers");
  if (count > config.num_hidden_layers) {
    throw Error(ErrorCode::kModel, "weights: model.layers: expected the " +
                                       std::to_string(config.num_hidden_layers) +
                                       " layers of config.json, got " + std::to_string(count) +
                                       " in " + weights.path() + "; are both of one model?");
  }
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers_.emplace_back(weights.scope("model.layers", i), config_);
  }
}

KvCache Qwen3::start_cache(int64_t positions) const {
  KvCache cache({config_.num_hidden_layers, config_.num_key_value_heads, config_.head_dim},
                embed_tokens_.weight);
  cache.start(/*rows=*/1, positions);
  return cache;
}

// x [T, C], normed -> [T, C]. The cache has made room for the T positions.
at::Tensor Qwen3::attention(int64_t index, const at::Tensor& x, const at::Tensor& rotary,
                            KvCache& cache) const {
  const Layer& layer = layers_[index];
  const int64_t count = x.size(0), size = config_.head_dim;
  const int64_t kv_heads = config_.num_key_value_heads;
  const int64_t shared = config_.num_attention_heads / kv_heads;  // query heads per head of keys
  const auto heads = [&](const Linear& linear) {
    return project(linear, x).view({1, count, -1, size});
  };
  const at::Tensor q = rotate_halves(layer.q_norm(heads(layer.q_proj)), rotary);
  const at::Tensor k = rotate_halves(layer.k_norm(heads(layer.k_proj)), rotary).transpose(1, 2);
  const at::Tensor v = heads(layer.v_proj).transpose(1, 2);
  cache.write(index, concat({k, v}, 0));
  if (count == 1) {  // the queries that share keys are the rows of one product
    const at::Tensor seen =
        attend(q.view({1, kv_heads, shared, size}), cache.keys(index), cache.values(index));
    return project(layer.o_proj, seen.reshape({1, kv_heads * shared * size}));
  }
  const at::Tensor seen =
      attend_causal(q.transpose(1, 2), repeat_heads(k, shared), repeat_heads(v, shared));
  return project(layer.o_proj, merge_heads(seen).squeeze(0));
}

at::Tensor Qwen3::forward(const std::vector<int32_t>& ids, KvCache& cache,
                          const StopToken& stop) const {
  const int64_t count = static_cast<int64_t>(ids.size()), begin = cache.size();
  if (count == 0 || (count > 1 && begin > 0)) {
    throw Error(ErrorCode::kInternal, "qwen3: " + std::to_string(count) + " positions after " +
                                          std::to_string(begin) +
                                          "; expected one, or some into an empty cache");
  }
  for (const int32_t id : ids) {
    if (id >= 0 && id < config_.vocab_size) continue;
    throw Error(ErrorCode::kModel, "qwen3: token id " + std::to_string(id) +
                                       " is not in the model, which has " +
                                       std::to_string(config_.vocab_size) +
                                       "; are its tokenizer and its weights of one model?");
  }
  const at::Device device = embed_tokens_.weight.device();
  at::Tensor x = embed_tokens_(int64_tensor({ids.begin(), ids.end()}, device));
  const at::Tensor rotary =
      rotary_table(begin + count, config_.head_dim, config_.rope_theta, device)
          .narrow(0, begin, count);
  cache.extend_prefix(count);
  for (size_t i = 0; i < layers_.size(); ++i) {
    stop.check();
    const Layer& layer = layers_[i];
    x.add_(attention(static_cast<int64_t>(i), layer.input_layernorm(x), rotary, cache));
    const at::Tensor normed = layer.post_attention_layernorm(x);
    at::Tensor inner = project(layer.gate_proj, normed);
    silu_(inner);
    x.add_(project(layer.down_proj, inner.mul_(project(layer.up_proj, normed))));
  }
  return norm_(x);
}

at::Tensor Qwen3::logits(const at::Tensor& rows) const {
  return project(lm_head_, rows).to(at::kFloat);
}

// Of scores [1, V]. Among equal ones: the first, as LibTorch has it.
int32_t Qwen3::best_token(const at::Tensor& row) const {
  const auto [score, token] = row.max(/*dim=*/1);
  if (!std::isfinite(score.item<float>())) {  // the largest is NaN where one is
    throw Error(
        ErrorCode::kSynthesis,
        "qwen3: the model gave a score that is not a number or infinite; check the model files, or "
        "give the emotion as a vector");
  }
  return static_cast<int32_t>(token.item<int64_t>());
}

bool Qwen3::ends(int32_t id) const {
  return std::find(config_.eos_token_id.begin(), config_.eos_token_id.end(), id) !=
         config_.eos_token_id.end();
}

Qwen3::Answer Qwen3::generate(const std::vector<int32_t>& prompt, int64_t most,
                              const StopToken& stop) const {
  Answer answer;
  std::vector<int32_t> fed = prompt;
  KvCache cache =
      start_cache(static_cast<int64_t>(prompt.size()) + std::clamp<int64_t>(most, 0, 128));
  while (static_cast<int64_t>(answer.ids.size()) < most) {
    const at::Tensor rows = forward(fed, cache, stop);
    const int32_t next = best_token(logits(rows.narrow(0, rows.size(0) - 1, 1)));
    answer.ended = ends(next);
    if (answer.ended) break;
    answer.ids.push_back(next);
    fed = {next};
  }
  return answer;
}

}  // namespace indextts2
