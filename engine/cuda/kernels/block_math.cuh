// Sums, maxima and exponentials of one block of threads, in an order that depends on nothing but
// the size of the block.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace indextts2 {

inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

__device__ inline float warp_max(float value) {
  for (int o = 16; o > 0; o >>= 1) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, o));
  return value;
}

__device__ inline double warp_sum(double value) {
  for (int o = 16; o > 0; o >>= 1) value += __shfl_xor_sync(kAllLanes, value, o);
  return value;
}

// The sum of the lanes up to this one, itself included.
__device__ inline double warp_scan(double value) {
  const int lane = threadIdx.x & 31;
  for (int o = 1; o < 32; o <<= 1) {
    const double below = __shfl_up_sync(kAllLanes, value, o);
    if (lane >= o) value += below;
  }
  return value;
}

// Blocks of 32 * Warps threads. `partial` [Warps] is shared memory that nobody else uses until the
// block has met again after the call. Every thread gets the result.
template <int Warps>
__device__ inline float block_max(float value, float* partial) {
  value = warp_max(value);
  if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = value;
  __syncthreads();
  const int lane = threadIdx.x & 31;
  return warp_max(lane < Warps ? partial[lane] : partial[0]);
}

template <int Warps>
__device__ inline double block_sum(double value, double* partial) {
  value = warp_sum(value);
  if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = value;
  __syncthreads();
  const int lane = threadIdx.x & 31;
  return warp_sum(lane < Warps ? partial[lane] : 0.0);
}

// The sum of all threads before this one.
template <int Warps>
__device__ inline double block_sum_before(double value, double* partial) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const double through = warp_scan(value);
  if (lane == 31) partial[warp] = through;
  __syncthreads();
  const double warps = warp_scan(lane < Warps ? partial[lane] : 0.0);
  const double before = __shfl_sync(kAllLanes, warps, warp > 0 ? warp - 1 : 0);
  const double own = __shfl_up_sync(kAllLanes, through, 1);
  return (warp > 0 ? before : 0.0) + (lane > 0 ? own : 0.0);
}

// exp(x), x <= 0, rounded once: what a good expf of the host gives but for a few in a million. 0
// for NaN.
__device__ inline float rounded_exp(float x) {
  if (!(x > -104.0f)) return 0.0f;
  const double wide = x;
  const double n = rint(wide * 1.4426950408889634);
  const double r = fma(n, -0.69314718055994531, wide);
  double e = 1.0 / 362880;
  e = fma(e, r, 1.0 / 40320);
  e = fma(e, r, 1.0 / 5040);
  e = fma(e, r, 1.0 / 720);
  e = fma(e, r, 1.0 / 120);
  e = fma(e, r, 1.0 / 24);
  e = fma(e, r, 1.0 / 6);
  e = fma(e, r, 0.5);
  e = fma(e, r, 1.0);
  e = fma(e, r, 1.0);
  return static_cast<float>(e * __hiloint2double((static_cast<int>(n) + 1023) << 20, 0));
}

}  // namespace indextts2
