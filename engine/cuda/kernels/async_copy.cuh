// Copies from global to shared memory that run beside the computation.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace indextts2 {

// 16 bytes, or 16 zero bytes unless `there`; then nothing is read, but `from` must be an address of
// global memory. At once before compute capability 8.0.
__device__ inline void copy_async_16(void* to_shared, const void* from, bool there) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(there ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(to_shared) =
      there ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
#endif
}

// Closes the group of the copies that this thread began since the last call.
__device__ inline void commit_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for this thread's groups but the newest `Open`; a barrier shows them to other threads.
template <int Open>
__device__ inline void wait_for_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory");
#endif
}

}  // namespace indextts2
