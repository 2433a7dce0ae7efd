// Failed CUDA calls as Errors.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "core/error.h"

namespace indextts2 {

// Throws Error{kNoMemory} when the device's memory is used up, else Error{kDeviceLost}, saying what
// was being done and what the driver answered.
inline void cuda_check(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  const bool full = status == cudaErrorMemoryAllocation;
  throw Error(full ? ErrorCode::kNoMemory : ErrorCode::kDeviceLost,
              std::string("CUDA: ") + doing + ": " + cudaGetErrorString(status));
}

}  // namespace indextts2
