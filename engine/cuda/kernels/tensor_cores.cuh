// Products of a warp on the tensor cores and what feeds them from shared memory. There is no code
// below compute capability 8.0 (ldmatrix: 7.5).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace indextts2 {

// Matrices of 8 rows x 16 bytes; each lane has the address of a row in shared memory.
__device__ inline void load_matrices4(uint32_t at, uint32_t* r) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}

// Each matrix transposed.
__device__ inline void load_transposed4(uint32_t at, uint32_t* r) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}

__device__ inline void load_matrices2(uint32_t at, uint32_t* r) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(at)
               : "memory");
}

#define INDEXTTS2_PRODUCT(shape)                                                                   \
  asm("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                                     \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// sum += a b of numbers of type T (float: as TF32): 16 x 8 outputs, 32 bytes of the inner
// dimension.
template <typename T>
__device__ inline void multiply16x8(float* sum, const uint32_t* a, const uint32_t* b) {
  static_assert(sizeof(T) == 0, "no products of this type");
}
template <>
__device__ inline void multiply16x8<__half>(float* sum, const uint32_t* a, const uint32_t* b) {
#if __CUDA_ARCH__ >= 800
  INDEXTTS2_PRODUCT("m16n8k16.row.col.f32.f16.f16.f32");
#endif
}
template <>
__device__ inline void multiply16x8<__nv_bfloat16>(float* sum, const uint32_t* a,
                                                   const uint32_t* b) {
#if __CUDA_ARCH__ >= 800
  INDEXTTS2_PRODUCT("m16n8k16.row.col.f32.bf16.bf16.f32");
#endif
}
template <>
__device__ inline void multiply16x8<float>(float* sum, const uint32_t* a, const uint32_t* b) {
#if __CUDA_ARCH__ >= 800
  INDEXTTS2_PRODUCT("m16n8k8.row.col.f32.tf32.tf32.f32");
#endif
}
#undef INDEXTTS2_PRODUCT

// Rounded to 11 bits, halves away from zero.
__device__ inline uint32_t to_tf32(float x) {
  uint32_t y = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
#endif
  return y;
}

// A float as the sum of two TF32 numbers, to about 2^-22 of it.
__device__ inline void split_tf32(uint32_t bits, uint32_t* high, uint32_t* low) {
  *high = to_tf32(__uint_as_float(bits));
  *low = to_tf32(__fsub_rn(__uint_as_float(bits), __uint_as_float(*high)));
}

}  // namespace indextts2
