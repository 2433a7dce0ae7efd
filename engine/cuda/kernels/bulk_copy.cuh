// Copies to shared memory that the hardware makes by itself, the barrier that tells when their
// bytes are there, and the shared memory of a cluster. GPUs since sm_90; no code for older ones.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/kernels/async_copy.cuh"

namespace indextts2 {

// For one thread's expect_bytes. Others may use the barrier after a barrier of their own.
__device__ __forceinline__ void init_barrier(uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(barrier)) : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

// All that will be copied, before it is.
__device__ __forceinline__ void expect_bytes(uint64_t* barrier, unsigned bytes) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
#endif
}

// Addresses and bytes: multiples of 16.
__device__ __forceinline__ void bulk_copy(void* shared, const void* global, unsigned bytes,
                                          uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
#endif
}

// Until all that was expected is there.
__device__ __forceinline__ void wait_for_bytes(uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  unsigned done = 0;
  while (done == 0) {
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], 0; "
        "selp.u32 %0, 1, 0, p; }"
        : "=r"(done)
        : "r"(shared_address(barrier))
        : "memory");
  }
#endif
}

// All threads of a cluster; barriers made before it may be used by the others behind it. Nothing
// else that was written is seen by them.
__device__ __forceinline__ void sync_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

// Four bytes to where the first block of the cluster has `shared`, and of its `barrier`. This block
// may end meanwhile, the first one may not.
__device__ __forceinline__ void send_to_first(float* shared, float value, uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{ .reg .u32 to, at; mapa.shared::cluster.u32 to, %0, 0; mapa.shared::cluster.u32 at, %2, 0; "
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [to], %1, [at]; }" ::"r"(
          shared_address(shared)),
      "r"(__float_as_uint(value)), "r"(shared_address(barrier))
      : "memory");
#endif
}

}  // namespace indextts2
