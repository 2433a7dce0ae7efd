// Weights of a linear layer on few rows, fetched before the rows are there.
#pragma once

#include "cuda/kernels/bulk_copy.cuh"
#include "cuda/kernels/row_linear.cuh"

namespace indextts2 {

// Starts copying the weights of this block of threads, blocks begin .. begin + blocks - 1 of K of
// kOuts outputs, to `to` [kOuts][weight_pitch(a)]; `arrived` completes with them. By one warp.
template <int kOuts>
__device__ __forceinline__ void fetch_weights(const RowLinearArguments& a, int begin, int blocks,
                                              char* to, uint64_t* arrived) {
  const int lane = threadIdx.x % 32;
  const unsigned bytes = static_cast<unsigned>(blocks) * kBlockBytes;
  if (lane == 0) {
    init_barrier(arrived);
    expect_bytes(arrived, kOuts * bytes);
  }
  __syncwarp();
  if (bytes == 0) return;
  for (int n = lane; n < kOuts; n += 32) {
    // Outputs past the end take the last one's weights and are not written.
    const int out = min(static_cast<int>(blockIdx.x) * kOuts + n, a.out - 1);
    const char* from = a.weight + (static_cast<size_t>(out) * a.blocks + begin) * kBlockBytes;
    bulk_copy(to + n * weight_pitch(a), from, bytes, arrived);
  }
}

}  // namespace indextts2
