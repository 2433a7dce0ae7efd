// The part of the GPT checkpoint that runs once a voice: speaker latents and emotion vectors from
// semantic features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "modules/conformer.h"
#include "modules/perceiver.h"
#include "ops/layers.h"

namespace indextts2 {

// Counts that the tensors do not show; gpt section of config.yaml.
struct VoiceConditionerOptions {
  int64_t speaker_heads = 8;  // condition_module.attention_heads
  int64_t emotion_heads = 4;  // emo_condition_module.attention_heads
};

// Thread-safety: const.
class VoiceConditioner {
 public:
  // `gpt`: the root of gpt.pth. `feature_width`: of the semantic features.
  VoiceConditioner(const Weights& gpt, int64_t feature_width,
                   const VoiceConditionerOptions& options);

  // Names below `gpt` that are computed here instead: the tables of positions.
  static std::vector<std::string> unused_weights();

  // features [1, T, W] -> [1, 32, D]
  at::Tensor speaker_latents(const at::Tensor& features) const;
  // features [1, T, W] -> [1, D]
  at::Tensor emotion_vector(const at::Tensor& features) const;
  // The last step of emotion_vector: latent [1, 1, C] -> [1, D]
  at::Tensor emotion_from_latent(const at::Tensor& latent) const;

  const ConformerEncoder& speaker_conformer() const { return speaker_conformer_; }
  const PerceiverResampler& speaker_perceiver() const { return speaker_perceiver_; }
  const ConformerEncoder& emotion_conformer() const { return emotion_conformer_; }
  const PerceiverResampler& emotion_perceiver() const { return emotion_perceiver_; }

 private:
  ConformerEncoder speaker_conformer_;
  PerceiverResampler speaker_perceiver_;
  ConformerEncoder emotion_conformer_;
  PerceiverResampler emotion_perceiver_;
  Linear emovec_layer_, emo_layer_;
};

}  // namespace indextts2
