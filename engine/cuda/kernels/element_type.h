// Number formats that kernels read and write; they all add in float32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace indextts2 {

enum class ElementType : int32_t { kFloat32, kFloat16, kBFloat16 };

constexpr size_t element_bytes(ElementType type) { return type == ElementType::kFloat32 ? 4 : 2; }

}  // namespace indextts2
