// Draws of the Philox streams, made on the device: the same bits as core/random.h gives on the
// host.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/random.h"

namespace indextts2 {

// out[i] = normal_at(stream, first + i) for 0 <= i < count; `out` on the device.
cudaError_t fill_normal(const RandomStream& stream, uint64_t first, float* out, size_t count,
                        cudaStream_t on);
// out[i] = exponential_at(stream, first + i).
cudaError_t fill_exponential(const RandomStream& stream, uint64_t first, float* out, size_t count,
                             cudaStream_t on);

}  // namespace indextts2
