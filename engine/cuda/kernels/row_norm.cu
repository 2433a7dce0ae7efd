// Layer norms between the linear layers of a decoding step, and the rows that a step starts from.
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_linear.h"
#include "cuda/kernels/row_norm.cuh"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {
namespace {

// Few, so that a block of them finds room beside those of row_tiles.cu.
constexpr int kNormThreads = 128, kGatherThreads = 256;
// Fours of a lane of the warp that adds up: of all rows and of those up to 1280 wide.
constexpr int kWarpVectors = kMaxNormWidth / 4 / 32, kFewWarpVectors = 10;
constexpr int kWarps = kNormThreads / 32;

// This thread's fours of a row of weights.
template <typename T, int kVectors>
struct Fours {
  struct alignas(4 * sizeof(T)) Four {
    T v[4];
  };
  Four fours[kVectors];
  // Stays before the wait: nobody writes weights.
  __device__ __forceinline__ Fours(const void* from, int width) {
#pragma unroll
    for (int k = 0; k < kVectors; ++k) {
      const int column = (threadIdx.x + k * kNormThreads) * 4;
      fours[k] = {};
      if (column >= width) continue;
      fours[k] = *reinterpret_cast<const Four*>(static_cast<const T*>(from) + column);
    }
  }
  __device__ __forceinline__ float4 operator[](int k) const { return load_four(fours[k].v); }
};

// values = (values - mean) / sqrt(var + eps) * weight + bias. Every warp adds up the whole row.
template <int kWarpVectors, typename T, int kVectors>
__device__ __forceinline__ void normalize(float4 (&values)[kVectors], int width,
                                          const Fours<T, kVectors>& weight,
                                          const Fours<T, kVectors>& bias, float eps, float4* row) {
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
    values[k] = normalized(values[k], statistics, weight[k], bias[k]);
  }
}

// This thread's fours of h, what is to be added included. All are on their way before the first is
// waited for.
template <typename T, int kVectors>
__device__ __forceinline__ void load_row(const RowNorm& norm, int width,
                                         const Fours<T, kVectors>& parts_bias,
                                         float4 (&values)[kVectors]) {
  const size_t part_size = static_cast<size_t>(gridDim.x) * width;
  const size_t begin = static_cast<size_t>(blockIdx.x) * width;
  float4 parts[kVectors][kMaxRowSplits];
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    values[k] = {0, 0, 0, 0};
    if (column < width) values[k] = load_fresh(norm.h + begin + column);
#pragma unroll
    for (int p = 0; p < kMaxRowSplits; ++p) {
      parts[k][p] = {0, 0, 0, 0};
      if (p < norm.part_count && column < width) {
        parts[k][p] = load_fresh(norm.parts + p * part_size + begin + column);
      }
    }
  }
  if (norm.part_count == 0) return;
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    float4 added = parts[k][0];
#pragma unroll
    for (int p = 1; p < kMaxRowSplits; ++p) {
      if (p < norm.part_count) added = add(added, parts[k][p]);
    }
    values[k] = add(values[k], add(added, parts_bias[k]));
  }
}

template <typename T, typename Out, int kWarpVectors>
__global__ void __launch_bounds__(kNormThreads) norm_kernel(RowNorm norm, int width, Out* y) {
  __shared__ float4 row[kWarpVectors * 32];
  let_dependents_start();
  constexpr int kVectors = (kWarpVectors + kWarps - 1) / kWarps;
  using Weights = Fours<T, kVectors>;
  const Weights weight(norm.weight, width), bias(norm.bias, width);
  const Weights parts_bias(norm.parts_bias, norm.part_count > 0 ? width : 0);
  wait_for_predecessors();
  const size_t begin = static_cast<size_t>(blockIdx.x) * width;
  float4 values[kVectors];
  load_row(norm, width, parts_bias, values);
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    if (column < width && norm.h_out != nullptr) store_four(norm.h_out + begin + column, values[k]);
  }
  normalize<kWarpVectors>(values, width, weight, bias, norm.eps, row);
  if (norm.weight2 != nullptr) {
    __syncthreads();
    normalize<kWarpVectors>(values, width, Weights(norm.weight2, width), Weights(norm.bias2, width),
                            norm.eps2, row);
  }
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    const int column = (threadIdx.x + k * kNormThreads) * 4;
    if (column < width) store_four(y + begin + column, values[k]);
  }
}

template <typename T, typename Out>
cudaError_t launch_norm(const RowNorm& norm, int rows, int width, Out* y, cudaStream_t stream) {
  const auto kernel = width <= kFewWarpVectors * 128 ? norm_kernel<T, Out, kFewWarpVectors>
                                                     : norm_kernel<T, Out, kWarpVectors>;
  return launch_dependent(kernel, dim3(static_cast<unsigned>(rows)), kNormThreads, 0, stream, norm,
                          width, y);
}

template <typename T>
cudaError_t launch_norm(const RowNorm& norm, int rows, int width, ElementType out, void* y,
                        cudaStream_t stream) {
  if (out == ElementType::kFloat32) {
    return launch_norm<T>(norm, rows, width, static_cast<float*>(y), stream);
  }
  return launch_norm<T>(norm, rows, width, static_cast<T*>(y), stream);
}

template <typename T>
__global__ void __launch_bounds__(kGatherThreads)
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
  for (int column = threadIdx.x * 4; column < width; column += kGatherThreads * 4) {
    float4 value = {0, 0, 0, 0};
    if (!idle) value = add(load_four(code + column), load_four(position + column));
    store_four(h + static_cast<size_t>(row) * width + column, value);
  }
}

}  // namespace

cudaError_t row_norm(const RowNorm& norm, int rows, int width, ElementType type, ElementType out,
                     void* y, cudaStream_t stream) {
  if (width % 4 != 0 || width > kMaxNormWidth || norm.h == norm.h_out ||
      norm.part_count > kMaxRowSplits || (out != type && out != ElementType::kFloat32)) {
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
    return launch_dependent(kernel, grid, kGatherThreads, 0, stream, from, tables, width, h);
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
