// What the kernels of row_linear.h share. Whichever of them takes a layer, the sums are the same
// bits: note [One order of K].
#pragma once

#include "cuda/kernels/row_fragments.cuh"
#include "cuda/kernels/row_linear.h"

namespace indextts2 {

inline constexpr int kSlices = 4;  // of K in a block of threads, a warp each

struct RowLinearArguments {
  RowNorm norm;
  const char* weight;
  const void* bias;
  const char* x;
  void* y;
  const char* next;
  size_t next_bytes;
  int rows, in, out;
  int blocks, slices;  // of K in all
  RowOutput output;
};

// First block of K of a slice. Small numbers: a division of 64 bits takes a kernel's time.
__host__ __device__ __forceinline__ int slice_begin(int slice, int blocks, int slices) {
  return static_cast<int>(static_cast<unsigned>(slice) * static_cast<unsigned>(blocks) /
                          static_cast<unsigned>(slices));
}

// Of a weight's row in shared memory, the same in all parts: an odd number of blocks, so that the
// reads of two rows fall into different banks.
__host__ __device__ __forceinline__ int weight_pitch(const RowLinearArguments& a) {
  const int longest = (a.blocks * kSlices + a.slices - 1) / a.slices;
  return (longest | 1) * kBlockBytes;
}

__device__ __forceinline__ float gelu_tanh(float x) {
  const float cube = __fmul_rn(__fmul_rn(x, x), x);
  const float inner = __fmul_rn(0.7978845608028654f, __fmaf_rn(0.044715f, cube, x));
  return __fmul_rn(__fmul_rn(0.5f, x), __fadd_rn(1.0f, tanhf(inner)));
}

// `sum` of part `part` is output `out` of row `row`.
template <typename T>
__device__ __forceinline__ void write_output(const RowLinearArguments& a, int part, int row,
                                             int out, float sum, float bias) {
  const size_t at = static_cast<size_t>(row) * a.out + out;
  if (a.output == RowOutput::kParts) {
    static_cast<float*>(a.y)[static_cast<size_t>(part) * a.rows * a.out + at] = sum;
    return;
  }
  sum = __fadd_rn(sum, bias);
  if (a.output == RowOutput::kGelu) sum = gelu_tanh(sum);
  static_cast<T*>(a.y)[at] = from_float<T>(sum);
}

// This block's share of the next layer's weights.
__device__ __forceinline__ void prefetch_next(const RowLinearArguments& a) {
  constexpr unsigned kBytes = 2048;
  const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
  const unsigned index = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  for (size_t at = (static_cast<size_t>(threadIdx.x) * blocks + index) * kBytes; at < a.next_bytes;
       at += static_cast<size_t>(blockDim.x) * blocks * kBytes) {
    const size_t left = a.next_bytes - at;
    prefetch_weights(a.next + at, left < kBytes ? static_cast<unsigned>(left) : kBytes);
  }
}

// Whether K is cut into row_linear_splits() parts.
constexpr bool in_parts(RowOutput output) {
  return output == RowOutput::kParts || output == RowOutput::kAdded;
}

// Shared memory that a block of threads may have on the current device.
inline int most_shared_bytes() {
  int device = 0, bytes = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  return bytes;
}

// row_tiles.cu: 25 to 96 rows of two-byte types on GPUs since sm_90; neither norms nor kAdded.
bool row_tiles_fit(const RowLinearArguments& a, ElementType type);
cudaError_t row_tiles(const RowLinearArguments& a, ElementType type, cudaStream_t stream);

// row_stream.cu: few rows on GPUs since sm_90, weights that fit into shared memory.
bool row_streams(const RowLinearArguments& a, ElementType type);
cudaError_t row_stream(const RowLinearArguments& a, ElementType type, cudaStream_t stream);

}  // namespace indextts2
