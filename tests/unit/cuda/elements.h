// Numbers of the kernels' element types on the host.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <vector>

#include "core/random.h"
#include "cuda/kernels/element_type.h"

namespace indextts2 {

// An array in an element type, as bytes to be copied to the device.
inline std::vector<char> to_elements(const std::vector<float>& values, ElementType type) {
  std::vector<char> bytes(values.size() * element_bytes(type));
  for (size_t i = 0; i < values.size(); ++i) {
    const __half half = __float2half(values[i]);
    const __nv_bfloat16 brain = __float2bfloat16(values[i]);
    const void* from = type == ElementType::kFloat32   ? static_cast<const void*>(&values[i])
                       : type == ElementType::kFloat16 ? static_cast<const void*>(&half)
                                                       : static_cast<const void*>(&brain);
    std::memcpy(bytes.data() + i * element_bytes(type), from, element_bytes(type));
  }
  return bytes;
}

inline std::vector<float> from_elements(const std::vector<char>& bytes, ElementType type) {
  std::vector<float> values(bytes.size() / element_bytes(type));
  for (size_t i = 0; i < values.size(); ++i) {
    const char* from = bytes.data() + i * element_bytes(type);
    __half half;
    __nv_bfloat16 brain;
    switch (type) {
      case ElementType::kFloat32:
        std::memcpy(&values[i], from, sizeof(float));
        break;
      case ElementType::kFloat16:
        std::memcpy(&half, from, sizeof half);
        values[i] = __half2float(half);
        break;
      case ElementType::kBFloat16:
        std::memcpy(&brain, from, sizeof brain);
        values[i] = __bfloat162float(brain);
        break;
    }
  }
  return values;
}

// `count` normal draws times `scale`, as the element type can hold them.
inline std::vector<float> noise(size_t count, float scale, uint64_t seed,
                                ElementType type = ElementType::kFloat32) {
  std::vector<float> values(count);
  fill_normal(RandomStream{seed, 0, RandomPurpose::kFlowNoise}, 0, values.data(), count);
  for (float& value : values) value *= scale;
  return from_elements(to_elements(values, type), type);
}

}  // namespace indextts2
