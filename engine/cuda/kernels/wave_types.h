// What the kernels of the vocoder share: storage types and limits.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace indextts2 {

// Storage of activations and convolution weights; sums are float in either. kHalf saturates at
// +-65504 when it stores, NaN stays NaN.
enum class WaveType { kHalf, kFloat };

inline constexpr int64_t kWaveAlign = 8;  // channel counts are multiples of it
inline constexpr int kWaveParts = 3;      // convolutions or activations of one launch at most

constexpr int64_t wave_channels(int64_t channels) {
  return (channels + kWaveAlign - 1) / kWaveAlign * kWaveAlign;
}

}  // namespace indextts2
