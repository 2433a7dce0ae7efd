// Launches of the vocoder's kernels.
#pragma once

#include "cuda/kernels/dependent_launch.cuh"

namespace indextts2 {

// `kernel` waits for its predecessors by itself, which takes no time where there is no `overlap`.
template <typename... Parameters, typename... Arguments>
cudaError_t launch_wave(void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                        size_t shared_bytes, bool overlap, cudaStream_t stream,
                        const Arguments&... arguments) {
  if (overlap) return launch_dependent(kernel, grid, threads, shared_bytes, stream, arguments...);
  kernel<<<grid, threads, shared_bytes, stream>>>(arguments...);
  return cudaGetLastError();
}

}  // namespace indextts2
