// Pieces of weights times rows on the tensor cores.
//
// Note [Blocks of K]: a block is 64 bytes of K of a weight's row: 32 numbers of two bytes or 16 of
// four. Lane (g, t) = (lane / 4, lane % 4) holds 16 bytes from t * 16 on of the weights' rows g and
// g + 8 and of the activations' row g, which is what two mma steps take, if both sides agree to
// number K in this order. So weights are loaded 16 bytes at a time from [out][in] as it is.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>

#include "cuda/kernels/element_values.cuh"
#include "cuda/kernels/tensor_cores.cuh"

namespace indextts2 {

inline constexpr int kBlockBytes = 64;

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

// Four neighbours, 4 * sizeof(T) aligned.
template <typename T>
__device__ __forceinline__ float4 load_four(const T* from) {
  struct alignas(4 * sizeof(T)) Four {
    T v[4];
  };
  const Four four = *reinterpret_cast<const Four*>(from);
  return {to_float(four.v[0]), to_float(four.v[1]), to_float(four.v[2]), to_float(four.v[3])};
}

template <typename T>
__device__ __forceinline__ void store_four(T* to, const float4& value) {
  struct alignas(4 * sizeof(T)) Four {
    T v[4];
  };
  *reinterpret_cast<Four*>(to) = {from_float<T>(value.x), from_float<T>(value.y),
                                  from_float<T>(value.z), from_float<T>(value.w)};
}

// 16 bytes that nobody writes and this block reads once. Volatile: stays before the wait.
__device__ __forceinline__ uint4 load_weights(const char* from) {
  uint4 value;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(from));
  return value;
}

// Towards the L2 cache; `from` and `bytes` multiples of 16.
__device__ __forceinline__ void prefetch_weights(const char* from, unsigned bytes) {
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes));
#endif
}

// d += a b of one mma step; a0, a1 rows g and g + 8 of the lower half of K, a2, a3 of the upper.
template <typename T>
__device__ __forceinline__ void mma(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                    uint32_t a3, uint32_t b0, uint32_t b1) {
  const uint32_t a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};
  multiply16x8<T>(d, a, b);
}

// One block of 16 weight rows, ready to be multiplied.
template <typename T>
struct WeightBlock {
  uint4 upper, lower;  // rows g and g + 8
  __device__ __forceinline__ WeightBlock(const uint4& row, const uint4& row8)
      : upper(row), lower(row8) {}
  __device__ __forceinline__ void multiply(float (&sum)[4], const uint4& b) const {
    mma<T>(sum, upper.x, lower.x, upper.y, lower.y, b.x, b.y);
    mma<T>(sum, upper.z, lower.z, upper.w, lower.w, b.z, b.w);
  }
};

// Float32 by three products of TF32. The tensor cores cut sums off instead of rounding them, so a
// sum is kept there only for one block.
template <>
struct WeightBlock<float> {
  uint4 upper_high, upper_low, lower_high, lower_low;
  static __device__ __forceinline__ void split(const uint4& value, uint4* high, uint4* low) {
    split_tf32(value.x, &high->x, &low->x);
    split_tf32(value.y, &high->y, &low->y);
    split_tf32(value.z, &high->z, &low->z);
    split_tf32(value.w, &high->w, &low->w);
  }
  __device__ __forceinline__ WeightBlock(const uint4& row, const uint4& row8) {
    split(row, &upper_high, &upper_low);
    split(row8, &lower_high, &lower_low);
  }
  __device__ __forceinline__ void multiply(float (&sum)[4], const uint4& b) const {
    uint4 high, low;
    split(b, &high, &low);
    float part[4] = {0, 0, 0, 0};
    product(part, upper_low, lower_low, high);
    product(part, upper_high, lower_high, low);
    product(part, upper_high, lower_high, high);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] = __fadd_rn(sum[i], part[i]);
  }
  static __device__ __forceinline__ void product(float (&sum)[4], const uint4& upper,
                                                 const uint4& lower, const uint4& b) {
    mma<float>(sum, upper.x, lower.x, upper.y, lower.y, b.x, b.y);
    mma<float>(sum, upper.z, lower.z, upper.w, lower.w, b.z, b.w);
  }
};

}  // namespace indextts2
