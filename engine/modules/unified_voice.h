// The speech language model: voice and text in, speech codes and their latents out.
// Follows index-tts ee40fa7, indextts/gpt/model_v2.py, UnifiedVoice and GPT2InferenceModel, without
// its conditioning encoders.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/gpt2.h"
#include "modules/kv_cache.h"
#include "ops/layers.h"
#include "weights/config.h"

namespace indextts2 {

// Letters: P rows of the prefix, S codes, N rows, C width, V vocabulary of codes. Tensors come and
// go on any device; the network runs where its weights are. Thread-safety: const.
class UnifiedVoice {
 public:
  // `weights`: the root of gpt.pth. Throws Error{kModel} when file and config do not fit.
  UnifiedVoice(const Weights& weights, const GptConfig& config);

  // Rows that stand for the voice: speaker latents [1, n, C] and emotion vector [1, C] -> [1, n +
  // 2, C].
  at::Tensor conditioning(const at::Tensor& speaker_latents, const at::Tensor& emotion) const;

  // What decoding starts from: conditioning and text [1, P, C]. Start and stop ids inside the text
  // are left out, as the reference masks them. Throws Error{kTextTooLong, kInternal} for too many
  // ids or ids that the model does not have.
  at::Tensor prefix(const at::Tensor& conditioning, const std::vector<int32_t>& text_ids) const;

  // Runs prefix and start code, fills the (started) cache; logits [1, V] float32 of the first code.
  at::Tensor prefill(const at::Tensor& prefix, KvCache& cache) const;

  // Logits [N, V] float32 of the code that follows. Row i was given tokens[i] as its code number
  // steps[i] (from 1). Rows and caches as Gpt2::step.
  at::Tensor step(const std::vector<int64_t>& tokens, const std::vector<int64_t>& steps,
                  const std::vector<KvCache*>& caches) const;

  // Second pass over finished codes [S]: hidden state that predicts each code [1, S, C], in the
  // weights' dtype.
  at::Tensor latent(const at::Tensor& conditioning, const std::vector<int32_t>& text_ids,
                    const std::vector<int64_t>& codes) const;

  // What latent() feeds to the network [1, P, C]; the last S positions predict the codes.
  at::Tensor latent_rows(const at::Tensor& conditioning, const std::vector<int32_t>& text_ids,
                         const std::vector<int64_t>& codes) const;

  // Names below `weights` that no network of the GPT checkpoint uses: the text head of the
  // training, what the reference's own state dictionary repeats, and masks.
  static std::vector<std::string> unused_weights();

  int64_t max_text_tokens() const;  // ids of one segment
  int64_t max_codes() const;        // codes of one segment
  int64_t vocabulary() const { return mel_head_.weight.size(0); }
  const GptConfig& config() const { return config_; }
  // The parts of a step, for those who run it otherwise.
  const Gpt2& gpt() const { return gpt_; }
  const LayerNorm& final_norm() const { return final_norm_; }
  const Embedding& mel_embedding() const { return mel_embedding_; }
  const Embedding& mel_pos_embedding() const { return mel_pos_embedding_; }
  const Linear& mel_head() const { return mel_head_; }
  KvCache make_cache() const { return KvCache(gpt_.kv_shape(), speed_emb_.weight); }

 private:
  at::Tensor text_rows(const std::vector<int64_t>& ids) const;
  at::Tensor code_rows(const std::vector<int64_t>& codes,
                       const std::vector<int64_t>& positions) const;
  at::Tensor logits(const at::Tensor& hidden) const;

  const GptConfig config_;
  Gpt2 gpt_;
  LayerNorm final_norm_;
  Embedding text_embedding_, text_pos_embedding_, mel_embedding_, mel_pos_embedding_, speed_emb_;
  Linear mel_head_;  // float32 whatever the weights' dtype
  bool serial_;      // small enough for Note [Serial decoding] to hold
};

}  // namespace indextts2
