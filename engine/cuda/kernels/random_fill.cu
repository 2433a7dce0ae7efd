// Draws of the Philox streams, made on the device.
#include "cuda/kernels/random_fill.h"

namespace indextts2 {
namespace {

constexpr unsigned kThreads = 256;
constexpr size_t kMaxBlocks = 4096;

template <float (*Draw)(const RandomStream&, uint64_t)>
__global__ void fill(RandomStream stream, uint64_t first, float* out, size_t count) {
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    out[i] = Draw(stream, first + i);
  }
}

template <float (*Draw)(const RandomStream&, uint64_t)>
cudaError_t launch(const RandomStream& stream, uint64_t first, float* out, size_t count,
                   cudaStream_t on) {
  if (count == 0) return cudaSuccess;
  const size_t blocks = (count + kThreads - 1) / kThreads;
  fill<Draw><<<static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks), kThreads, 0, on>>>(
      stream, first, out, count);
  return cudaGetLastError();
}

}  // namespace

cudaError_t fill_normal(const RandomStream& stream, uint64_t first, float* out, size_t count,
                        cudaStream_t on) {
  return launch<normal_at>(stream, first, out, count, on);
}

cudaError_t fill_exponential(const RandomStream& stream, uint64_t first, float* out, size_t count,
                             cudaStream_t on) {
  return launch<exponential_at>(stream, first, out, count, on);
}

}  // namespace indextts2
