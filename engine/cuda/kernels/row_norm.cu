// Layer norms between the linear layers of a decoding step, and the rows that a step starts from.
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_norm.cuh"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {
namespace {

template <typename T, typename Out>
__global__ void __launch_bounds__(kNormThreads) norm_kernel(RowNorm norm, int width, Out* y) {
  __shared__ float scratch[2 * (kNormThreads / 32)];
  let_dependents_start();
  wait_for_predecessors();
  const int row = blockIdx.x;
  norm_rows<T, 1>(norm, row, 1, gridDim.x, width, /*keep=*/true, scratch,
                  [&](int, int column, const float4& value) {
                    store_four(y + static_cast<size_t>(row) * width + column, value);
                  });
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
