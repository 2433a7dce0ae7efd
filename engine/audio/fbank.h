// Kaldi filter banks of 16 kHz sound: the inputs of the speaker encoder and of w2v-BERT.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace indextts2 {

inline constexpr int kFbankRateHz = 16000;
inline constexpr int64_t kFbankMels = 80;
inline constexpr int64_t kFbankFrame = 400;  // 25 ms
inline constexpr int64_t kFbankHop = 160;    // 10 ms

// Log mel energies [frames, 80] float32 on the CPU, frames = 1 + floor((samples - 400) / 160).
// Throws Error{kVoiceInvalid} if there are fewer than 400 samples.
at::Tensor kaldi_fbank(const std::vector<float>& samples);

// The same with the mean over time subtracted from each band: the speaker encoder's input.
at::Tensor centred_fbank(const std::vector<float>& samples);

// Input of w2v-BERT: two frames a row, each band normalised to mean 0 and variance 1 over time.
struct W2vFeatures {
  at::Tensor rows;     // [1, T, 160] float32 on the CPU
  int64_t valid_rows;  // T, or T - 1 where an odd frame was filled up to a row (which attention
                       // must not see)
};
W2vFeatures w2v_features(const std::vector<float>& samples);

}  // namespace indextts2
