// Layer norms between the linear layers of a decoding step, and the rows that a step starts from.
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_norm.cuh"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {
namespace {

constexpr int kNormThreads = 256;
constexpr int kVectors = kMaxNormWidth / 4 / kNormThreads;  // of four, a thread
constexpr int kWarpVectors = kMaxNormWidth / 4 / 32;        // and a lane of the warp that adds up

// values = (values - mean) / sqrt(var + eps) * weight + bias. Every warp adds up the whole row.
template <typename T>
__device__ __forceinline__ void normalize(float4 (&values)[kVectors], int width, const void* weight,
                                          const void* bias, float eps, float4* row) {
  const int vectors = width / 4, lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int at = threadIdx.x + k * kNormThreads;
    if (at < vectors) row[at] = values[k];
  }
  __syncthreads();
  float4 all[kWarpVectors];
#pragma unroll
  for (int k = 0; k < kWarpVectors; ++k) {
    all[k] = {0, 0, 0, 0};
    if (lane + k * 32 < vectors) all[k] = row[lane + k * 32];
  }
  const RowStatistics statistics = row_statistics(all, width, eps);
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    if (column >= width) continue;
    values[k] = normalized(values[k], statistics, load_four(static_cast<const T*>(weight) + column),
                           load_four(static_cast<const T*>(bias) + column));
  }
}

// Fours of h at `at`, what is to be added included.
template <typename T>
__device__ __forceinline__ float4 added_to_h(const RowNorm& norm, size_t part_size, size_t at,
                                             int column) {
  const float4 value = load_fresh(norm.h + at);
  if (norm.part_count == 0) return value;
  float4 added = load_fresh(norm.parts + at);
#pragma unroll 4
  for (int p = 1; p < norm.part_count; ++p) {
    added = add(added, load_fresh(norm.parts + p * part_size + at));
  }
  return add(value, add(added, load_four(static_cast<const T*>(norm.parts_bias) + column)));
}

template <typename T, typename Out>
__global__ void __launch_bounds__(kNormThreads) norm_kernel(RowNorm norm, int width, Out* y) {
  __shared__ float4 row[kMaxNormWidth / 4];
  let_dependents_start();
  wait_for_predecessors();
  const size_t part_size = static_cast<size_t>(gridDim.x) * width;
  const size_t begin = static_cast<size_t>(blockIdx.x) * width;
  float4 values[kVectors];
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    values[k] = {0, 0, 0, 0};
    if (column < width) values[k] = added_to_h<T>(norm, part_size, begin + column, column);
  }
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    if (column < width && norm.h_out != nullptr) store_four(norm.h_out + begin + column, values[k]);
  }
  normalize<T>(values, width, norm.weight, norm.bias, norm.eps, row);
  if (norm.weight2 != nullptr) {
    __syncthreads();
    normalize<T>(values, width, norm.weight2, norm.bias2, norm.eps2, row);
  }
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    if (column < width) store_four(y + begin + column, values[k]);
  }
}

template <typename T>
cudaError_t launch_norm(const RowNorm& norm, int rows, int width, ElementType out, void* y,
                        cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(rows));
  if (out == ElementType::kFloat32) {
    return launch_dependent(norm_kernel<T, float>, grid, kNormThreads, 0, stream, norm, width,
                            static_cast<float*>(y));
  }
  return launch_dependent(norm_kernel<T, T>, grid, kNormThreads, 0, stream, norm, width,
                          static_cast<T*>(y));
}

template <typename T>
__global__ void __launch_bounds__(kNormThreads)
    gather_kernel(CodeRows from, DecodeTables tables, int width, float* h) {
  let_dependents_start();
  wait_for_predecessors();
  const int row = blockIdx.x, beam = row % tables.max_beams;
  const int slot = __ldcg(tables.segments + row / tables.max_beams);
  const bool idle =
      slot < 0 || __ldcg(tables.done + slot) != 0 || beam >= __ldcg(tables.beams + slot);
  const T* code = static_cast<const T*>(from.codes);
  const T* position = static_cast<const T*>(from.positions);
  if (!idle) {
    const int token = __ldcg(tables.tokens + slot * tables.max_beams + beam);
    const int at = __ldcg(tables.steps + slot) + 1;
    code += static_cast<size_t>(min(max(token, 0), from.code_count - 1)) * width;
    position += static_cast<size_t>(min(max(at, 0), from.position_count - 1)) * width;
  }
  for (int column = threadIdx.x * 4; column < width; column += kNormThreads * 4) {
    float4 value = {0, 0, 0, 0};
    if (!idle) value = add(load_four(code + column), load_four(position + column));
    store_four(h + static_cast<size_t>(row) * width + column, value);
  }
}

}  // namespace

cudaError_t row_norm(const RowNorm& norm, int rows, int width, ElementType type, ElementType out,
                     void* y, cudaStream_t stream) {
  if (width % 4 != 0 || width > kMaxNormWidth || norm.h == norm.h_out ||
      (out != type && out != ElementType::kFloat32)) {
    return cudaErrorInvalidValue;
  }
  if (rows == 0) return cudaSuccess;
  switch (type) {
    case ElementType::kFloat32:
      return launch_norm<float>(norm, rows, width, out, y, stream);
    case ElementType::kFloat16:
      return launch_norm<__half>(norm, rows, width, out, y, stream);
    case ElementType::kBFloat16:
      return launch_norm<__nv_bfloat16>(norm, rows, width, out, y, stream);
  }
  return cudaErrorInvalidValue;
}

cudaError_t gather_code_rows(const CodeRows& from, const DecodeTables& tables, int segments,
                             int width, ElementType type, float* h, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(segments * tables.max_beams));
  if (width % 4 != 0) return cudaErrorInvalidValue;
  if (grid.x == 0) return cudaSuccess;
  const auto launch = [&](auto kernel) {
    return launch_dependent(kernel, grid, kNormThreads, 0, stream, from, tables, width, h);
  };
  switch (type) {
    case ElementType::kFloat32:
      return launch(gather_kernel<float>);
    case ElementType::kFloat16:
      return launch(gather_kernel<__half>);
    case ElementType::kBFloat16:
      return launch(gather_kernel<__nv_bfloat16>);
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
