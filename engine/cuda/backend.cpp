// The CUDA library's entry point. Loading this library brings LibTorch's CUDA kernels into the
// process, so it must be loaded before the first tensor operation (docs/architecture.md, "CPU
// first, CUDA later").
#include <ATen/Context.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include "core/device_library.h"
#include "core/error.h"
#include "cuda/lent_stream.h"

namespace indextts2 {
namespace {

void check(cudaError_t status, int index) {
  if (status == cudaSuccess) return;
  throw Error(ErrorCode::kLibraryInit, "CUDA device " + std::to_string(index) +
                                           " does not answer: " + cudaGetErrorString(status));
}

class CudaLibrary : public DeviceLibrary {
 public:
  int device_count() const override { return c10::cuda::device_count(); }

  bool usable() const override { return at::globalContext().hasCUDA(); }

  DeviceProperties properties(int index) const override {
    cudaDeviceProp device{};
    check(cudaGetDeviceProperties(&device, index), index);
    int current = 0;
    check(cudaGetDevice(&current), index);
    check(cudaSetDevice(index), index);
    size_t free_bytes = 0, total_bytes = 0;
    const cudaError_t status = cudaMemGetInfo(&free_bytes, &total_bytes);
    check(cudaSetDevice(current), index);
    check(status, index);
    return {device.name, total_bytes, free_bytes, 10 * device.major + device.minor};
  }

  int64_t lend_stream(int index, bool priority_high) const override {
    return indextts2::lend_stream(static_cast<c10::DeviceIndex>(index), priority_high).id();
  }

  void give_back_stream(int index, bool priority_high, int64_t stream) const noexcept override {
    const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
    indextts2::give_back_stream(
        c10::cuda::CUDAStream(c10::Stream(c10::Stream::UNSAFE, device, stream)), priority_high);
  }
};

}  // namespace
}  // namespace indextts2

const indextts2::DeviceLibrary* indextts2_device_library(int abi) {
  static const indextts2::CudaLibrary library;
  return abi == indextts2::kDeviceLibraryAbi ? &library : nullptr;
}
