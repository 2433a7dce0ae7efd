// Loads and stores of the vocoder's two storage types.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

namespace indextts2 {

// +-65504 instead of infinities; NaN stays NaN.
__device__ inline float saturated(float x) {
#if __CUDA_ARCH__ >= 800
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(-65504.0f));
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(65504.0f));
#endif
  return x;
}

__device__ inline uint32_t half_bits(float low, float high) {
  const __half2 pair = __floats2half2_rn(saturated(low), saturated(high));
  return *reinterpret_cast<const uint32_t*>(&pair);
}

__device__ inline float2 half_values(uint32_t bits) {
  return __half22float2(*reinterpret_cast<const __half2*>(&bits));
}

// Two neighbouring channels.
template <class T>
struct WavePair;

template <>
struct WavePair<__half> {
  using Raw = uint32_t;
  static __device__ float2 values(Raw raw) { return half_values(raw); }
  static __device__ Raw raw(float2 x) { return half_bits(x.x, x.y); }
};

template <>
struct WavePair<float> {
  using Raw = float2;
  static __device__ float2 values(Raw raw) { return raw; }
  static __device__ Raw raw(float2 x) { return x; }
};

// Eight neighbouring channels; `at` is aligned to 16 bytes.
__device__ inline void load8(const __half* at, float* x) {
  const uint4 raw = *reinterpret_cast<const uint4*>(at);
  const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = half_values(words[i]);
    x[2 * i] = pair.x;
    x[2 * i + 1] = pair.y;
  }
}

__device__ inline void load8(const float* at, float* x) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float4 raw = reinterpret_cast<const float4*>(at)[i];
    x[4 * i] = raw.x;
    x[4 * i + 1] = raw.y;
    x[4 * i + 2] = raw.z;
    x[4 * i + 3] = raw.w;
  }
}

__device__ inline void store8(__half* at, const float* x) {
  *reinterpret_cast<uint4*>(at) = make_uint4(half_bits(x[0], x[1]), half_bits(x[2], x[3]),
                                             half_bits(x[4], x[5]), half_bits(x[6], x[7]));
}

__device__ inline void store8(float* at, const float* x) {
  reinterpret_cast<float4*>(at)[0] = make_float4(x[0], x[1], x[2], x[3]);
  reinterpret_cast<float4*>(at)[1] = make_float4(x[4], x[5], x[6], x[7]);
}

}  // namespace indextts2
