// A prefix' keys and values, put into pages.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/decode_tables.h"
#include "cuda/kernels/element_type.h"

namespace indextts2 {

// Keys and values as KvCache (modules/kv_cache.h) holds them, on the device, 16-byte aligned:
// [L, 2, H, capacity, D], of which `positions` of `capacity` are used.
struct PrefixSource {
  const void* storage;
  int64_t capacity;
  int32_t positions, layers, heads, head_size;
  ElementType type;
};

// Copies the prefix into the pages of beam 0 of `slot`; tables.pages must name those on the device.
// A position takes head_size * element size bytes, a multiple of 16, else cudaErrorInvalidValue.
cudaError_t copy_prefix(const DecodeTables& tables, int slot, const PrefixSource& source,
                        cudaStream_t stream);

}  // namespace indextts2
