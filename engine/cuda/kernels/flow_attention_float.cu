// Attention of ragged rows in plain float32: tiles of 96 queries by 64 keys, 6 x 4 scores a thread.
#include "cuda/kernels/flow_attention.h"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;  // 16 groups of rows x 16 groups of columns
constexpr int kKeys = 64;
constexpr int kRows = kAttentionRows;
constexpr int kThreadRows = kRows / 16, kThreadKeys = kKeys / 16;
// Floats from line to line of the tiles: even for float2, and such that lanes meet on few banks.
constexpr int kRowStride = kRows + 2, kKeyStride = kKeys + 4;

// Column `j` of a thread's: pairs, so that 16 threads read 32 neighbours.
__device__ constexpr int spread(int column, int j) { return j / 2 * 32 + column * 2 + j % 2; }

template <int D>
struct Shared {
  float queries[D][kRowStride];  // transposed
  float keys[D][kKeyStride];     // transposed
  float values[kKeys][D];
  float weights[kKeys][kRowStride];  // transposed
};

// Rows first .. of `from` into `to` [D][Stride], zeros from row `limit` on.
template <int D, int Rows, int Stride>
__device__ void load_transposed(float (*to)[Stride], const float* from, int64_t stride, int first,
                                int limit) {
  for (int i = static_cast<int>(threadIdx.x); i < Rows * (D / 4); i += kThreads) {
    const int row = i % Rows, chunk = i / Rows;
    float4 four = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (first + row < limit) {
      four = *reinterpret_cast<const float4*>(from + (first + row) * stride + chunk * 4);
    }
    to[chunk * 4][row] = four.x;
    to[chunk * 4 + 1][row] = four.y;
    to[chunk * 4 + 2][row] = four.z;
    to[chunk * 4 + 3][row] = four.w;
  }
}

template <int D>
__device__ void load_values(float (*to)[D], const float* from, int64_t stride, int first,
                            int limit) {
  for (int i = static_cast<int>(threadIdx.x); i < kKeys * (D / 4); i += kThreads) {
    const int row = i / (D / 4), chunk = i % (D / 4);
    float4 four = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (first + row < limit) {
      four = *reinterpret_cast<const float4*>(from + (first + row) * stride + chunk * 4);
    }
    *reinterpret_cast<float4*>(&to[row][chunk * 4]) = four;
  }
}

// sum[i][j] += a[k][row + i] * b[k][spread(column, j)] for all k in order.
template <int K, int Columns, int StrideA, int StrideB>
__device__ void accumulate(float (&sum)[kThreadRows][Columns], const float (*a)[StrideA], int row,
                           const float (*b)[StrideB], int column) {
#pragma unroll 8
  for (int k = 0; k < K; ++k) {
    float left[kThreadRows], right[Columns];
#pragma unroll
    for (int i = 0; i < kThreadRows; i += 2) {
      const float2 two = *reinterpret_cast<const float2*>(&a[k][row + i]);
      left[i] = two.x;
      left[i + 1] = two.y;
    }
#pragma unroll
    for (int j = 0; j < Columns; j += 2) {
      const float2 two = *reinterpret_cast<const float2*>(&b[k][spread(column, j)]);
      right[j] = two.x;
      right[j + 1] = two.y;
    }
#pragma unroll
    for (int i = 0; i < kThreadRows; ++i)
#pragma unroll
      for (int j = 0; j < Columns; ++j) sum[i][j] = fmaf(left[i], right[j], sum[i][j]);
  }
}

template <int D>
__global__ void __launch_bounds__(kThreads, 2)
    attend(const float* qkv, float* out, const AttentionTile* tiles, const int32_t* tile_count,
           int heads) {
  extern __shared__ float4 memory[];
  Shared<D>& shared = *reinterpret_cast<Shared<D>*>(memory);
  constexpr int kThreadColumns = D / 16;
  if (static_cast<int>(blockIdx.y) >= *tile_count) return;
  const AttentionTile tile = tiles[blockIdx.y];
  const int row = (threadIdx.x / 16) * kThreadRows, column = threadIdx.x % 16;
  const int64_t width = static_cast<int64_t>(heads) * D, stride = 3 * width;
  const int64_t head = static_cast<int64_t>(blockIdx.x) * D;
  const float* keys = qkv + tile.key_row * stride + width + head;
  const float scale = 1.0f / sqrtf(static_cast<float>(D));

  load_transposed<D, kRows, kRowStride>(shared.queries, qkv + tile.query_row * stride + head,
                                        stride, 0, tile.queries);
  float result[kThreadRows][kThreadColumns] = {}, top[kThreadRows], sum[kThreadRows] = {};
  for (float& t : top) t = -INFINITY;
  for (int first = 0; first < tile.keys; first += kKeys) {
    __syncthreads();  // nobody reads the tiles of the round before
    load_transposed<D, kKeys, kKeyStride>(shared.keys, keys, stride, first, tile.keys);
    load_values<D>(shared.values, keys + width, stride, first, tile.keys);
    __syncthreads();
    float scores[kThreadRows][kThreadKeys] = {};
    accumulate<D>(scores, shared.queries, row, shared.keys, column);
#pragma unroll
    for (int i = 0; i < kThreadRows; ++i) {
      float most = top[i];
#pragma unroll
      for (int j = 0; j < kThreadKeys; ++j) {
        const bool there = first + spread(column, j) < tile.keys;
        scores[i][j] = there ? scores[i][j] * scale : -INFINITY;
        most = fmaxf(most, scores[i][j]);
      }
      for (int lane = 8; lane > 0; lane /= 2) {
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, lane));
      }
      const float shrink = expf(top[i] - most);
      top[i] = most;
      sum[i] *= shrink;
#pragma unroll
      for (int j = 0; j < kThreadColumns; ++j) result[i][j] *= shrink;
#pragma unroll
      for (int j = 0; j < kThreadKeys; ++j) {
        const float weight = expf(scores[i][j] - most);
        sum[i] += weight;
        shared.weights[spread(column, j)][row + i] = weight;
      }
    }
    __syncthreads();
    accumulate<kKeys>(result, shared.weights, row, shared.values, column);
  }
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
    float total = sum[i];
    for (int lane = 8; lane > 0; lane /= 2) total += __shfl_xor_sync(0xFFFFFFFFu, total, lane);
    if (row + i >= tile.queries) continue;
    float* to = out + (tile.out_row + row + i) * width + head;
#pragma unroll
    for (int j = 0; j < kThreadColumns; ++j) to[spread(column, j)] = result[i][j] / total;
  }
}

template <int D>
cudaError_t launch(const AttentionCall& call, cudaStream_t on) {
  const cudaError_t status = cudaFuncSetAttribute(
      attend<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sizeof(Shared<D>)));
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(call.max_tiles));
  attend<D><<<grid, kThreads, sizeof(Shared<D>), on>>>(static_cast<const float*>(call.qkv),
                                                       static_cast<float*>(call.out), call.tiles,
                                                       call.tile_count, call.heads);
  return cudaGetLastError();
}

}  // namespace

cudaError_t attend_streams_float(const AttentionCall& call, cudaStream_t on) {
  if (call.head_size == 64) return launch<64>(call, on);
  if (call.head_size == 32) return launch<32>(call, on);
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
