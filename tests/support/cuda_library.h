// LibTorch's CUDA part, opened only where there is a device: programs start without one, and
// without the libraries that it needs.
#pragma once

#include <c10/cuda/CUDAFunctions.h>
#include <dlfcn.h>

#include <cstdio>

namespace indextts2 {

// True when CUDA tensors can be made. Call it before the first tensor operation; says why not.
inline bool open_cuda_library() {
  if (c10::cuda::device_count() == 0) {
    std::printf("left out: no CUDA device here (this part runs on a GPU machine only)\n");
    return false;
  }
  static const void* const library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) std::printf("left out: no CUDA device here (%s)\n", dlerror());
  return library != nullptr;
}

}  // namespace indextts2
