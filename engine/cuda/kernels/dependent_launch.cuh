// Kernels that start while the one before them still runs (programmatic dependent launch): what
// does not depend on it, as fetching weights, is done meanwhile. GPUs before sm_90 run them one by
// one.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace indextts2 {

// The next kernel of the stream may start now, as far as it does not wait.
__device__ __forceinline__ void let_dependents_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// Until all kernels before this one are finished and what they wrote is seen. Every thread that
// reads or writes what they use must have called it.
__device__ __forceinline__ void wait_for_predecessors() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Launches `kernel`, which waits by itself, as a dependent of the kernel before it.
template <typename... Parameters, typename... Arguments>
cudaError_t launch_dependent(void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                             size_t shared_bytes, cudaStream_t stream,
                             const Arguments&... arguments) {
  cudaFuncAttributes code{};
  cudaError_t status = cudaFuncGetAttributes(&code, kernel);
  if (status != cudaSuccess) return status;
  if (shared_bytes > 48 * 1024) {
    status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(shared_bytes));
    if (status != cudaSuccess) return status;
  }
  // Kernels share a multiprocessor only if they agree on how its memory is divided.
  status = cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                cudaSharedmemCarveoutMaxShared);
  if (status != cudaSuccess) return status;
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = code.ptxVersion >= 90 ? 1 : 0;  // code for older GPUs does not wait
  return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

}  // namespace indextts2
