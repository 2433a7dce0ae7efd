// LibTorch's names of the flow's types, and back.
#pragma once

#include <c10/core/ScalarType.h>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

inline at::ScalarType scalar_type_of(FlowType type) {
  return type == FlowType::kFloat32    ? at::kFloat
         : type == FlowType::kBFloat16 ? at::kBFloat16
                                       : at::kHalf;
}

inline bool is_flow_type(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
}

inline FlowType flow_type_of(at::ScalarType type) {
  return type == at::kFloat      ? FlowType::kFloat32
         : type == at::kBFloat16 ? FlowType::kBFloat16
                                 : FlowType::kFloat16;
}

}  // namespace indextts2
