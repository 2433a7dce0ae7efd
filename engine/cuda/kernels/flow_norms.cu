// Norms whose scale and shift depend on time: a warp a row, kept in registers between the passes.
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/flow_dispatch.cuh"
#include "cuda/kernels/flow_rows.h"
#include "cuda/kernels/flow_vector.cuh"

namespace indextts2 {
namespace {

constexpr int kWarps = 4;

__device__ float warp_sum(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, lane);
  return x;
}

template <typename T, int Eights, bool Centered>
__global__ void norm(const T* x, int64_t x_stride, T* out, int64_t out_stride, StepTable table,
                     int rows, int width, float eps) {
  let_dependents_start();
  wait_for_predecessors();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= rows) return;
  Eight values[Eights];
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < Eights; ++i) {
    const int column = (i * 32 + lane) * 8;
    if (column < width) {
      values[i] = load_eight(x + row * x_stride + column);
    } else {
      values[i] = {};
    }
#pragma unroll
    for (float v : values[i].v) sum += v;
  }
  const float mean = Centered ? warp_sum(sum) / static_cast<float>(width) : 0.0f;
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < Eights; ++i) {
    if ((i * 32 + lane) * 8 >= width) continue;
#pragma unroll
    for (float v : values[i].v) squares = fmaf(v - mean, v - mean, squares);
  }
  const float factor = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(width) + eps);
  const T* scale = static_cast<const T*>(table.data) + *table.step * table.stride;
#pragma unroll
  for (int i = 0; i < Eights; ++i) {
    const int column = (i * 32 + lane) * 8;
    if (column >= width) continue;
    const Eight by = load_eight(scale + column), plus = load_eight(scale + width + column);
    Eight result;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      result.v[k] = fmaf((values[i].v[k] - mean) * factor, by.v[k], plus.v[k]);
    }
    store_eight(out + row * out_stride + column, result);
  }
}

template <bool Centered>
cudaError_t launch(FlowType type, FlowRows x, FlowRows out, StepTable table, int rows, int width,
                   float eps, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((rows + kWarps - 1) / kWarps);
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    const auto launch_sized = [&](auto kernel) {
      return launch_dependent(kernel, blocks, kWarps * 32, 0, on, static_cast<const T*>(x.data),
                              x.stride, static_cast<T*>(out.data), out.stride, table, rows, width,
                              eps);
    };
    if (width <= 256) return launch_sized(norm<T, 1, Centered>);
    if (width <= 512) return launch_sized(norm<T, 2, Centered>);
    if (width <= kMaxFlowNormWidth) return launch_sized(norm<T, 4, Centered>);
    return cudaErrorInvalidValue;
  });
}

}  // namespace

cudaError_t rms_norm(FlowType type, FlowRows x, FlowRows out, StepTable table, int rows, int width,
                     float eps, cudaStream_t on) {
  return launch<false>(type, x, out, table, rows, width, eps, on);
}

cudaError_t layer_norm(FlowType type, FlowRows x, FlowRows out, StepTable table, int rows,
                       int width, float eps, cudaStream_t on) {
  return launch<true>(type, x, out, table, rows, width, eps, on);
}

}  // namespace indextts2
