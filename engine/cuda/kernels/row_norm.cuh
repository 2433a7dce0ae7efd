// The layer norm of some rows by one block of threads. The alone kernel and the linear layers that
// begin with it share this code, so that both give the same bits: no sum here is left to the
// compiler to contract.
#pragma once

#include "cuda/kernels/row_fragments.cuh"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {

inline constexpr int kNormThreads = 256;
inline constexpr int kNormVectors = kMaxNormWidth / 4 / kNormThreads;  // of four, a thread and row

// Sums of the block's threads, one for each row: in `scratch` [kRows][warps], which nobody may use
// meanwhile.
template <int kRows>
__device__ __forceinline__ void block_sums(float (&sums)[kRows], float* scratch) {
  constexpr int kWarps = kNormThreads / 32;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    for (int step = 16; step > 0; step /= 2) {
      sums[r] = __fadd_rn(sums[r], __shfl_xor_sync(~0u, sums[r], step));
    }
    if (threadIdx.x % 32 == 0) scratch[r * kWarps + threadIdx.x / 32] = sums[r];
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    sums[r] = scratch[r * kWarps];
    for (int w = 1; w < kWarps; ++w) sums[r] = __fadd_rn(sums[r], scratch[r * kWarps + w]);
  }
}

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

// values = (values - mean) / sqrt(var + eps) * weight + bias. scratch: [2][kRows][warps].
template <typename T, int kRows>
__device__ __forceinline__ void normalize(float4 (&values)[kRows][kNormVectors], int width,
                                          const void* weight, const void* bias, float eps,
                                          float* scratch) {
  const float count = static_cast<float>(width);
  float sums[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    sums[r] = 0;
#pragma unroll
    for (int k = 0; k < kNormVectors; ++k) sums[r] = __fadd_rn(sums[r], sum_of(values[r][k]));
  }
  block_sums(sums, scratch);
  float squares[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const float mean = __fdiv_rn(sums[r], count);
    squares[r] = 0;
#pragma unroll
    for (int k = 0; k < kNormVectors; ++k) {
      if ((threadIdx.x + k * kNormThreads) * 4 >= width) continue;
      values[r][k] = add(values[r][k], -mean);
      squares[r] = __fadd_rn(squares[r], sum_of(multiply(values[r][k], values[r][k])));
    }
  }
  block_sums(squares, scratch + kRows * (kNormThreads / 32));
#pragma unroll
  for (int k = 0; k < kNormVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    if (column >= width) continue;
    const float4 scale = load_four(static_cast<const T*>(weight) + column);
    const float4 shift = load_four(static_cast<const T*>(bias) + column);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float factor =
          __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(squares[r], count), eps)));
      const float4 scaled = multiply(values[r][k], float4{factor, factor, factor, factor});
      values[r][k] = add(multiply(scaled, scale), shift);
    }
  }
}

// Rows first .. first + count - 1 of `rows`, count <= kRows: calls store(row - first, column, four
// values). `keep`: this block writes h_out. scratch: [2][kRows][warps] floats of shared memory; in
// between two calls there must be a __syncthreads.
template <typename T, int kRows, typename Store>
__device__ __forceinline__ void norm_rows(const RowNorm& norm, int first, int count, int rows,
                                          int width, bool keep, float* scratch,
                                          const Store& store) {
  float4 values[kRows][kNormVectors];
#pragma unroll
  for (int k = 0; k < kNormVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    const bool inside = column < width;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      values[r][k] = {0, 0, 0, 0};
      if (!inside || r >= count) continue;
      const size_t at = static_cast<size_t>(first + r) * width + column;
      values[r][k] = load_fresh(norm.h + at);
      if (norm.part_count == 0) continue;
      const size_t part_size = static_cast<size_t>(rows) * width;
      float4 added = load_fresh(norm.parts + at);
#pragma unroll 4
      for (int p = 1; p < norm.part_count; ++p) {
        added = add(added, load_fresh(norm.parts + p * part_size + at));
      }
      added = add(added, load_four(static_cast<const T*>(norm.parts_bias) + column));
      values[r][k] = add(values[r][k], added);
    }
  }
  if (keep && norm.h_out != nullptr) {
#pragma unroll
    for (int k = 0; k < kNormVectors; ++k) {
      const int column = (threadIdx.x + k * kNormThreads) * 4;
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (column >= width || r >= count) continue;
        store_four(norm.h_out + static_cast<size_t>(first + r) * width + column, values[r][k]);
      }
    }
  }
  normalize<T>(values, width, norm.weight, norm.bias, norm.eps, scratch);
  if (norm.weight2 != nullptr) {
    __syncthreads();
    normalize<T>(values, width, norm.weight2, norm.bias2, norm.eps2, scratch);
  }
#pragma unroll
  for (int k = 0; k < kNormVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (column < width && r < count) store(r, column, values[r][k]);
    }
  }
}

}  // namespace indextts2
