// LibTorch's CUDA part, for tests that link only its CPU part.
#pragma once

#include <dlfcn.h>

#include <cstdio>

#include "device_buffer.h"

namespace indextts2 {

// True where there is a GPU and LibTorch can use it; else says why a test shows nothing. To be
// called before the first tensor operation of the process.
inline bool have_cuda_torch() {
  static const bool there = [] {
    if (!have_device()) return false;
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) != nullptr) return true;
    std::printf("left out: no LibTorch for CUDA here (%s)\n", dlerror());
    return false;
  }();
  if (!there) std::printf("left out\n");
  return there;
}

}  // namespace indextts2
