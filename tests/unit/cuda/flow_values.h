// Values for tests of the flow's kernels, in each of their types.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <random>
#include <vector>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

inline FlowType flow_type_of(float) { return FlowType::kFloat32; }
inline FlowType flow_type_of(__nv_bfloat16) { return FlowType::kBFloat16; }
inline FlowType flow_type_of(__half) { return FlowType::kFloat16; }

// Normally distributed.
template <typename T>
std::vector<T> random_values(size_t count, float deviation, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<T> values(count);
  for (T& value : values) value = T(normal(engine));
  return values;
}

}  // namespace indextts2
