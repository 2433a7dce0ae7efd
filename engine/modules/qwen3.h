// The Qwen3 language model with greedy answers: pre-norm transformer layers with rotary positions,
// normed queries and keys that several heads of queries share, and a gated feed-forward part.
// Follows transformers 4.52.1, Qwen3ForCausalLM; each layer's norms, attention and products are
// computed in the weights' type, RMS norms, rotation and the choice of tokens in float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/stop_token.h"
#include "modules/kv_cache.h"
#include "ops/layers.h"
#include "ops/rms_norm.h"
#include "weights/qwen_config.h"

namespace indextts2 {

// Letters: T positions, C hidden size, V vocabulary. Thread-safety: const.
class Qwen3 {
 public:
  struct Layer {
    Layer(const Weights& weights, const QwenConfig& config);
    RmsNorm input_layernorm, post_attention_layernorm;
    Linear q_proj, k_proj, v_proj, o_proj;
    RmsNorm q_norm, k_norm;  // over each head
    Linear gate_proj, up_proj, down_proj;
  };

  struct Answer {
    std::vector<int32_t> ids;  // without the token that ended it
    bool ended = false;        // by such a token; else by the limit
  };

  // `weights`: the names of a Hugging Face folder: model.embed_tokens, model.layers.0, ...,
  // model.norm and, unless it is tied, lm_head. Throws Error{kModel} for missing or mis-shaped
  // tensors and for another number of layers than `config` has.
  Qwen3(const Weights& weights, const QwenConfig& config);

  // An empty cache for forward(), on the device and in the type of the weights.
  KvCache start_cache(int64_t positions) const;

  // The next positions of the text that `cache` holds, and appends them to it: ids [T], T >= 1 ->
  // the final norm's rows [T, C]. Several positions only go into an empty cache (Error{kInternal}).
  // Error{kModel} for an id that is not in the vocabulary, {kCancelled} on `stop`, which is tested
  // before each layer.
  at::Tensor forward(const std::vector<int32_t>& ids, KvCache& cache,
                     const StopToken& stop = {}) const;

  // Rows [T, C] of forward() -> scores of the token that follows each, float32 [T, V].
  at::Tensor logits(const at::Tensor& rows) const;

  // The most likely tokens after `prompt` (not empty), one by one, until one of eos_token_id or
  // `most` tokens. `stop` is tested before each. Throws Error{kCancelled}, Error{kSynthesis} when
  // scores are not finite, and as forward().
  Answer generate(const std::vector<int32_t>& prompt, int64_t most,
                  const StopToken& stop = {}) const;

  const QwenConfig& config() const { return config_; }
  const std::vector<Layer>& layers() const { return layers_; }

 private:
  at::Tensor attention(int64_t layer, const at::Tensor& x, const at::Tensor& rotary,
                       KvCache& cache) const;
  int32_t best_token(const at::Tensor& row) const;
  bool ends(int32_t id) const;

  const QwenConfig config_;
  Embedding embed_tokens_;
  std::vector<Layer> layers_;
  RmsNorm norm_;
  Linear lm_head_;
};

}  // namespace indextts2
