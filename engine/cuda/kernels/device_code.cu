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

bool has_fast_tensor_cores() {
  int device = 0, major = 0, minor = 0;
  if (!has_device_code(80) || cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess) {
    return false;
  }
  return (major == 8 && minor == 0) || major == 9 || major == 10;
}

}  // namespace indextts2
