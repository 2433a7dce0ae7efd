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

// Launches `kernel`, which waits by itself, as a dependent of the kernel before it; blocks of
// threads in clusters of `cluster`, which only GPUs since sm_90 have.
template <typename... Parameters, typename... Arguments>
cudaError_t launch_dependent_clusters(void (*kernel)(Parameters...), dim3 grid, dim3 cluster,
                                      unsigned threads, size_t shared_bytes, cudaStream_t stream,
                                      const Arguments&... arguments) {
  cudaFuncAttributes code{};
  cudaError_t status = cudaFuncGetAttributes(&code, kernel);
  if (status != cudaSuccess) return status;
  if (code.sharedSizeBytes + shared_bytes > 48 * 1024) {
    // Never lowered: a graph may hold launches that need more.
    const int bytes = static_cast<int>(shared_bytes);
    status = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
        bytes > code.maxDynamicSharedSizeBytes ? bytes : code.maxDynamicSharedSizeBytes);
    if (status != cudaSuccess) return status;
  }
  // Kernels share a multiprocessor only if they agree on how its memory is divided.
  status = cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                cudaSharedmemCarveoutMaxShared);
  if (status != cudaSuccess) return status;
  cudaLaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (code.ptxVersion >= 90) {  // code for older GPUs does not wait
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (cluster.x * cluster.y * cluster.z > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim.x = cluster.x;
    attributes[count].val.clusterDim.y = cluster.y;
    attributes[count++].val.clusterDim.z = cluster.z;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = count;
  return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

template <typename... Parameters, typename... Arguments>
cudaError_t launch_dependent(void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                             size_t shared_bytes, cudaStream_t stream,
                             const Arguments&... arguments) {
  return launch_dependent_clusters(kernel, grid, dim3(1), threads, shared_bytes, stream,
                                   arguments...);
}

}  // namespace indextts2
