// Single precision arithmetic whose bits are the same on every machine, host and CUDA device.
//
// Every operation is rounded on its own: the project is compiled with -ffp-contract=off, and device
// code uses the intrinsics that are never merged into a fused multiply-add.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

// The one macro of the engine: without it a CUDA compiler takes these functions for host code.
#if defined(__CUDACC__)
#define INDEXTTS2_HOST_DEVICE __host__ __device__
#else
#define INDEXTTS2_HOST_DEVICE
#endif

namespace indextts2 {

namespace exact {
#if defined(__CUDA_ARCH__)
__device__ inline float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float add(float a, float b) { return __fadd_rn(a, b); }
__device__ inline float div(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline float root(float a) { return __fsqrt_rn(a); }
__device__ inline uint32_t bits(float a) { return __float_as_uint(a); }
__device__ inline float from_bits(uint32_t a) { return __uint_as_float(a); }
#else
INDEXTTS2_HOST_DEVICE inline float mul(float a, float b) { return a * b; }
INDEXTTS2_HOST_DEVICE inline float add(float a, float b) { return a + b; }
INDEXTTS2_HOST_DEVICE inline float div(float a, float b) { return a / b; }
INDEXTTS2_HOST_DEVICE inline float root(float a) { return std::sqrt(a); }
INDEXTTS2_HOST_DEVICE inline uint32_t bits(float a) {
  uint32_t b;
  std::memcpy(&b, &a, sizeof b);
  return b;
}
INDEXTTS2_HOST_DEVICE inline float from_bits(uint32_t a) {
  float b;
  std::memcpy(&b, &a, sizeof b);
  return b;
}
#endif

// Natural logarithm of a positive, finite, normal x; within 3 units in the last place, 0 at 1.
// x = m * 2^e, sqrt(1/2) < m <= sqrt(2); log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
INDEXTTS2_HOST_DEVICE inline float log(float x) {
  const uint32_t shifted = bits(x) - 0x3F3504F4u;  // bits of the smallest m above sqrt(1/2)
  const int32_t exponent = static_cast<int32_t>(shifted) >> 23;
  const float m = from_bits((shifted & 0x007FFFFFu) + 0x3F3504F4u);
  const float s = div(add(m, -1.0f), add(m, 1.0f));
  const float z = mul(s, s);
  float series = add(mul(z, 2.0f / 9.0f), 2.0f / 7.0f);
  series = add(mul(z, series), 2.0f / 5.0f);
  series = add(mul(z, series), 2.0f / 3.0f);
  const float log_m = add(mul(2.0f, s), mul(s, mul(z, series)));
  const float e = static_cast<float>(exponent);
  // ln 2 in two parts; the product with the first is exact.
  return add(mul(e, 0.693359375f), add(log_m, mul(e, -2.12194440e-4f)));
}

// sin and cos of `turns` full turns, turns in [0, 1]; within 1e-7.
INDEXTTS2_HOST_DEVICE inline void sin_cos_turns(float turns, float* sine, float* cosine) {
  const float quarters = mul(turns, 4.0f);
  const int32_t quadrant = static_cast<int32_t>(add(quarters, 0.5f));
  const float x = mul(add(quarters, -static_cast<float>(quadrant)), 1.57079632679f);
  const float z = mul(x, x);
  float odd = add(mul(z, 1.0f / 362880.0f), -1.0f / 5040.0f);
  odd = add(mul(z, odd), 1.0f / 120.0f);
  odd = add(mul(z, odd), -1.0f / 6.0f);
  const float s = add(x, mul(x, mul(z, odd)));
  float even = add(mul(z, -1.0f / 3628800.0f), 1.0f / 40320.0f);
  even = add(mul(z, even), -1.0f / 720.0f);
  even = add(mul(z, even), 1.0f / 24.0f);
  even = add(mul(z, even), -0.5f);
  const float c = add(1.0f, mul(z, even));
  const bool swapped = (quadrant & 1) != 0;
  *sine = (quadrant & 2) != 0 ? -(swapped ? c : s) : (swapped ? c : s);
  *cosine = ((quadrant + 1) & 2) != 0 ? -(swapped ? s : c) : (swapped ? s : c);
}
}  // namespace exact

}  // namespace indextts2
