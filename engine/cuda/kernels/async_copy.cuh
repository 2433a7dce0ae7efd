// Copies of 16 bytes from global to shared memory that run beside the computation. At once before
// compute capability 8.0.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace indextts2 {

// `to`: an address of shared memory; both are multiples of 16.
__device__ __forceinline__ void copy16(uint32_t to, const void* from) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
#else
  *static_cast<uint4*>(__cvta_shared_to_generic(to)) = *static_cast<const uint4*>(from);
#endif
}

// Zeros unless `there`; then nothing is read, but `from` must be an address of global memory.
__device__ __forceinline__ void copy16(uint32_t to, const void* from, bool there) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(there ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(__cvta_shared_to_generic(to)) =
      there ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
#endif
}

__device__ __forceinline__ uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Closes the group of the copies that this thread began since the last call.
__device__ __forceinline__ void copies_commit() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for this thread's groups but the newest `kOpen`; a barrier shows them to other threads.
template <int kOpen>
__device__ __forceinline__ void copies_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kOpen) : "memory");
#endif
}

}  // namespace indextts2
