// A segment of a few codes in a made-up voice.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "ops/host_tensor.h"
#include "stages/synthesis_job.h"
#include "weights/config.h"

namespace indextts2 {

inline at::Tensor filled(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return host_tensor(std::vector<float>(static_cast<size_t>(count), 0.1f), shape);
}

inline SynthesisRequest short_request(const ModelConfig& config) {
  constexpr int64_t kPromptFrames = 32;
  VoiceFeatures voice;
  const int64_t width = config.gpt.model_dim;
  voice.speaker_latents = filled({1, 32, width});
  voice.ref_mel = filled({1, 80, kPromptFrames});
  voice.style = filled({1, config.style_dim});
  voice.prompt_condition = filled({1, kPromptFrames, config.length_regulator.channels});
  voice.base_emovec = voice.own_emovec = filled({1, width});
  SynthesisRequest request;
  request.segment.ids = {2, 3, 4, 5};
  request.voice = std::make_shared<const VoiceParts>(std::move(voice));
  request.num_beams = 1;
  request.max_codes = 4;
  request.diffusion_steps = 1;
  return request;
}

}  // namespace indextts2
