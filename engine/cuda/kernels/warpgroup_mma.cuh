// Hopper's warpgroup products: 64 rows x kColumns of sums in the registers of four warps, operands
// in shared memory. The code is there only where a file is compiled for sm_90a.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace indextts2 {

// Whether a file that has been compiled for sm_90a alone runs on the current device.
inline bool has_warpgroup_products() {
#ifdef INDEXTTS2_SM90A
  int device = 0, major = 0, minor = 0;
  return cudaGetDevice(&device) == cudaSuccess &&
         cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
         cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess &&
         major == 9 && minor == 0;
#else
  return false;
#endif
}

// Operand in shared memory whose 16 byte units (8 channels) of neighbouring rows lie one after
// another, the units of a row `pitch` bytes apart: any row may be the first. `at` and `pitch`:
// multiples of 16.
__device__ inline uint64_t unit_operand(uint32_t at, uint32_t pitch) {
  constexpr uint64_t kEightRows = 128 >> 4;
  return static_cast<uint64_t>((at & 0x3FFFFu) >> 4) | static_cast<uint64_t>(pitch >> 4) << 16 |
         kEightRows << 32;
}

constexpr uint32_t kTurnBytes = 1024;  // after which the layout of swizzled operands repeats

// Operand in rows of 128 bytes swizzled by 128 bytes; 8 rows (of the outer dimension, or of the
// inner one if it is transposed) take 1024 bytes. `at` is in the first of them.
__device__ inline uint64_t swizzled_operand(uint32_t at) {
  constexpr uint64_t kEightRows = kTurnBytes >> 4, kSwizzle128 = 1;
  return static_cast<uint64_t>((at & 0x3FFFFu) >> 4) | kEightRows << 16 | kEightRows << 32 |
         kSwizzle128 << 62;
}

// Before products: registers and shared memory are as this thread left them.
__device__ inline void products_begin() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

__device__ inline void products_commit() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

// Waits for this warpgroup's groups but the newest kPending.
template <int kPending>
__device__ inline void products_wait() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#endif
}

// What this thread wrote to shared memory is seen by products behind the next barrier.
__device__ inline void show_to_products() {
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

// The values of running products are read from here on, not before.
template <int kTiles>
__device__ inline void settle(float (&sum)[kTiles][4]) {
#pragma unroll
  for (auto& four : sum) {
#pragma unroll
    for (float& value : four) asm volatile("" : "+f"(value)::"memory");
  }
}

// sum[j] (columns 8 j .. 8 j + 7 as of a 16 x 8 product of each warp) += a b over 16 channels;
// without `more`, what was there does not count.
template <int kColumns>
struct WarpgroupProduct;

template <>
struct WarpgroupProduct<48> {
  static __device__ void add(float (*sum)[4], uint64_t a, uint64_t b, int more) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %26, 0; "
        "wgmma.mma_async.sync.aligned.m64n48k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, "
        "%12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23}, "
        "%24, %25, p, 1, 1, 0, 0;}"
        : "+f"(sum[0][0]), "+f"(sum[0][1]), "+f"(sum[0][2]), "+f"(sum[0][3]), "+f"(sum[1][0]),
          "+f"(sum[1][1]), "+f"(sum[1][2]), "+f"(sum[1][3]), "+f"(sum[2][0]), "+f"(sum[2][1]),
          "+f"(sum[2][2]), "+f"(sum[2][3]), "+f"(sum[3][0]), "+f"(sum[3][1]), "+f"(sum[3][2]),
          "+f"(sum[3][3]), "+f"(sum[4][0]), "+f"(sum[4][1]), "+f"(sum[4][2]), "+f"(sum[4][3]),
          "+f"(sum[5][0]), "+f"(sum[5][1]), "+f"(sum[5][2]), "+f"(sum[5][3])
        : "l"(a), "l"(b), "r"(more));
#endif
  }
};

template <>
struct WarpgroupProduct<96> {
  static __device__ void add(float (*sum)[4], uint64_t a, uint64_t b, int more) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %50, 0; "
        "wgmma.mma_async.sync.aligned.m64n96k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, "
        "%12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
        "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, "
        "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47}, "
        "%48, %49, p, 1, 1, 0, 0;}"
        : "+f"(sum[0][0]), "+f"(sum[0][1]), "+f"(sum[0][2]), "+f"(sum[0][3]), "+f"(sum[1][0]),
          "+f"(sum[1][1]), "+f"(sum[1][2]), "+f"(sum[1][3]), "+f"(sum[2][0]), "+f"(sum[2][1]),
          "+f"(sum[2][2]), "+f"(sum[2][3]), "+f"(sum[3][0]), "+f"(sum[3][1]), "+f"(sum[3][2]),
          "+f"(sum[3][3]), "+f"(sum[4][0]), "+f"(sum[4][1]), "+f"(sum[4][2]), "+f"(sum[4][3]),
          "+f"(sum[5][0]), "+f"(sum[5][1]), "+f"(sum[5][2]), "+f"(sum[5][3]), "+f"(sum[6][0]),
          "+f"(sum[6][1]), "+f"(sum[6][2]), "+f"(sum[6][3]), "+f"(sum[7][0]), "+f"(sum[7][1]),
          "+f"(sum[7][2]), "+f"(sum[7][3]), "+f"(sum[8][0]), "+f"(sum[8][1]), "+f"(sum[8][2]),
          "+f"(sum[8][3]), "+f"(sum[9][0]), "+f"(sum[9][1]), "+f"(sum[9][2]), "+f"(sum[9][3]),
          "+f"(sum[10][0]), "+f"(sum[10][1]), "+f"(sum[10][2]), "+f"(sum[10][3]), "+f"(sum[11][0]),
          "+f"(sum[11][1]), "+f"(sum[11][2]), "+f"(sum[11][3])
        : "l"(a), "l"(b), "r"(more));
#endif
  }
};

#define SUM4(j) "+f"(sum[j][0]), "+f"(sum[j][1]), "+f"(sum[j][2]), "+f"(sum[j][3])
#define SUM16(j) SUM4(j), SUM4(j + 1), SUM4(j + 2), SUM4(j + 3)
template <>
struct WarpgroupProduct<64> {
  static __device__ void add(float (*sum)[4], uint64_t a, uint64_t b, int more) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %34, 0; "
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
        "%32, %33, p, 1, 1, 0, 0;}"
        : SUM16(0), SUM16(4)
        : "l"(a), "l"(b), "r"(more));
#endif
  }
};

template <>
struct WarpgroupProduct<128> {
  static __device__ void add(float (*sum)[4], uint64_t a, uint64_t b, int more) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %66, 0; "
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, p, 1, 1, 0, 0;}"
        : SUM16(0), SUM16(4), SUM16(8), SUM16(12)
        : "l"(a), "l"(b), "r"(more));
#endif
  }
};
#undef SUM4
#undef SUM16

}  // namespace indextts2
