// What a voice clip becomes: everything that synthesis needs to know of a voice.
#pragma once

#include <ATen/core/Tensor.h>

namespace indextts2 {

// What rendering needs. M: mel frames of the prompt.
struct VoicePrompt {
  at::Tensor ref_mel;           // [1, 80, M] prompt that the mel model continues
  at::Tensor style;             // [1, 192] speaker vector of the mel model
  at::Tensor prompt_condition;  // [1, M, C] regulated semantic features of the prompt
};

// Immutable once made, float32, on the CPU. D: width of the GPT.
struct VoiceFeatures : VoicePrompt {
  at::Tensor speaker_latents;  // [1, 32, D] the GPT's view of the speaker
  at::Tensor base_emovec;  // [1, D] emotion of the speaker clip, on the speaker's path to 16 kHz
  at::Tensor own_emovec;   // [1, D] the same clip as an emotion clip, on the direct path to 16 kHz
  at::Tensor clip_emovec;  // [1, D] emotion of the emotion clip; undefined if there is none
  double prompt_seconds = 0;  // part of the speaker clip that is used
};

}  // namespace indextts2
