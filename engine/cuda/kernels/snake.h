// The anti-aliased periodic activation of the vocoder in one pass: up by 2, x + gain sin^2(f x),
// down by 2, the ends replicated at both rates. The definition is ops/snake.h.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/wave_types.h"

namespace indextts2 {

inline constexpr int kWaveTaps = 12;  // of both filters

// One activation. Activations are [frames][channels].
struct SnakePart {
  const void* in;
  void* out;            // not `in`
  const float* curve;   // [2][channels]: frequency, gain
  float up[kWaveTaps];  // with the factor 2 of zero stuffing
  float down[kWaveTaps];
};

// Up to kWaveParts activations of the same size.
struct SnakeCall {
  SnakePart parts[kWaveParts];
  int count;
  int64_t frames;    // >= 1, < 2^30
  int64_t channels;  // a multiple of kWaveAlign; frames * channels < 2^35
};

// What a sample gives depends on its neighbours alone, not on the length.
cudaError_t run_snake(WaveType type, const SnakeCall& call, cudaStream_t on);

}  // namespace indextts2
