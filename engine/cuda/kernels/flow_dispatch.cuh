// From a FlowType to the type itself.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

// call(T()) with the type's T.
template <typename Call>
cudaError_t with_type(FlowType type, Call call) {
  switch (type) {
    case FlowType::kFloat32:
      return call(float());
    case FlowType::kBFloat16:
      return call(__nv_bfloat16());
    case FlowType::kFloat16:
      return call(__half());
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
