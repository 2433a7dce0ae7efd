// Whether the kernels run on a device.
#include <cuda_runtime.h>

#include "cuda/kernels/device_code.h"

namespace indextts2 {
namespace {

__global__ void probe() {}

}  // namespace

// Files are compiled for the same architectures, but for those that only Hopper runs.
bool has_device_code(int least) {
  cudaFuncAttributes code{};
  if (cudaFuncGetAttributes(&code, probe) == cudaSuccess) return code.ptxVersion >= least;
  cudaGetLastError();  // it is no error of those who ask later
  return false;
}

}  // namespace indextts2
