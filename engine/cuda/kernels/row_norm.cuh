// The layer norm of a row. Its own kernel and the linear layers that begin with it share this code,
// so that both give the same bits: no sum here is left to the compiler to contract.
#pragma once

#include "cuda/kernels/row_fragments.cuh"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {

__device__ __forceinline__ float sum_of(const float4& v) {
  return __fadd_rn(__fadd_rn(v.x, v.y), __fadd_rn(v.z, v.w));
}
__device__ __forceinline__ float4 add(const float4& a, const float4& b) {
  return {__fadd_rn(a.x, b.x), __fadd_rn(a.y, b.y), __fadd_rn(a.z, b.z), __fadd_rn(a.w, b.w)};
}
__device__ __forceinline__ float4 add(const float4& a, float b) {
  return add(a, float4{b, b, b, b});
}
__device__ __forceinline__ float4 multiply(const float4& a, const float4& b) {
  return {__fmul_rn(a.x, b.x), __fmul_rn(a.y, b.y), __fmul_rn(a.z, b.z), __fmul_rn(a.w, b.w)};
}

// From the L2 cache: written by a kernel that may have run beside this one.
__device__ __forceinline__ float4 load_fresh(const float* from) {
  return __ldcg(reinterpret_cast<const float4*>(from));
}

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    value = __fadd_rn(value, __shfl_xor_sync(~0u, value, step));
  }
  return value;
}

// Note [Sums of a row]: one warp adds up a row, lane l the fours l, l + 32, ... in this order, then
// the lanes by halves. Any kVectors that holds the row gives the same bits.
struct RowStatistics {
  float mean, factor;  // 1 / sqrt(var + eps)
};
template <int kVectors>
__device__ __forceinline__ RowStatistics row_statistics(const float4 (&values)[kVectors], int width,
                                                        float eps) {
  const float count = static_cast<float>(width);
  float sum = 0, squares = 0;
#pragma unroll
  for (int k = 0; k < kVectors; ++k) sum = __fadd_rn(sum, sum_of(values[k]));
  const float mean = __fdiv_rn(warp_sum(sum), count);
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const float4 centred = add(values[k], -mean);
    const float square = sum_of(multiply(centred, centred));
    if ((static_cast<int>(threadIdx.x) % 32 + k * 32) * 4 < width) {
      squares = __fadd_rn(squares, square);
    }
  }
  const float variance = __fdiv_rn(warp_sum(squares), count);
  return {mean, __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(variance, eps)))};
}

__device__ __forceinline__ float4 normalized(const float4& value, const RowStatistics& statistics,
                                             const float4& weight, const float4& bias) {
  const float f = statistics.factor;
  return add(multiply(multiply(add(value, -statistics.mean), float4{f, f, f, f}), weight), bias);
}

}  // namespace indextts2
