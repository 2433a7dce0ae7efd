// Log-mel spectrogram of the voice prompt: what the flow-matching model continues.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace indextts2 {

// s2mel.preprocess_params of config.yaml.
struct MelOptions {
  int sample_rate_hz = 22050;
  int64_t fft_size = 1024;
  int64_t window_size = 1024;
  int64_t hop_size = 256;
  int64_t num_mels = 80;
  double min_hz = 0;
  double max_hz = 0;  // 0: half the sample rate
};

// samples -> [1, num_mels, floor(samples / hop)] float32 on the CPU, natural log.
// The clip must be longer than (fft_size - hop_size) / 2 samples, for the reflection at its ends.
at::Tensor log_mel(const std::vector<float>& samples, const MelOptions& options);

}  // namespace indextts2
