// From keys in shared memory to sums: of a warp, of a chunk, of a segment. Of paged_attention.cu.
#pragma once

#include <cuda_runtime.h>

#include <cmath>

#include "cuda/kernels/attention_keys.cuh"

namespace indextts2 {
namespace paged {

// What a chunk leaves behind for each beam: D sums, then the top score and the total weight.
constexpr int kPartialFloats = kD + 2;

template <typename T, int N>
struct Shared {
  // A warp's keys. Piece i of row r is at r * pieces + (i ^ r % 8): without conflicts between banks
  // along rows as well as across them.
  uint4 keys[kWarps][32 * kPieces<T>];
  uint4 values[kWarps][32 * kPieces<T>];
  float queries[N][kD];         // times 1 / sqrt(D), to the base 2
  float sums[kWarps][N * kD];   // first the warp's weights [N][32], then its sums [N][D]
  float2 totals[kWarps][N];     // top score, total weight
  int first[kMaxSegments + 1];  // chunks of the segments before each
  int arrived;
};

__device__ inline float warp_max(float x) {
#pragma unroll
  for (int o = 16; o > 0; o /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, o));
  return x;
}

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int o = 16; o > 0; o /= 2) x += __shfl_xor_sync(kAllLanes, x, o);
  return x;
}

// Scores of this lane's key to weights relative to the warp's top score: weights [N][32] and totals
// in shared memory.
template <typename T, int N>
__device__ inline void weigh_keys(const uint4* keys, const float (*queries)[kD], uint32_t readers,
                                  float* weights, float2* totals) {
  constexpr int P = kPieces<T>, E = 16 / sizeof(T);
  const int lane = threadIdx.x % 32;
  float score[N] = {};
#pragma unroll
  for (int i = 0; i < P; ++i) {
    float key[E];
    unpack<T>(keys[lane * P + (i ^ lane % 8)], key);
#pragma unroll
    for (int b = 0; b < N; ++b) {
#pragma unroll
      for (int e = 0; e < E; e += 4) {
        const float4 query = *reinterpret_cast<const float4*>(&queries[b][i * E + e]);
        score[b] = fmaf(query.x, key[e], score[b]);
        score[b] = fmaf(query.y, key[e + 1], score[b]);
        score[b] = fmaf(query.z, key[e + 2], score[b]);
        score[b] = fmaf(query.w, key[e + 3], score[b]);
      }
    }
  }
#pragma unroll
  for (int b = 0; b < N; ++b) {
    const bool reads = readers >> b & 1;
    const float top = warp_max(reads ? score[b] : -INFINITY);
    const float weight = reads ? exp2f(score[b] - top) : 0.0f;
    const float total = warp_sum(weight);
    weights[b * 32 + lane] = weight;
    if (lane == 0) totals[b] = make_float2(top, total);
  }
}

// Dimensions 2 * lane and 2 * lane + 1 of the warp's value `row`.
template <typename T>
__device__ inline float2 value_pair(const uint4* values, int row) {
  constexpr int E = 16 / sizeof(T);
  const int lane = threadIdx.x % 32, piece = 2 * lane / E;
  const T* pair =
      reinterpret_cast<const T*>(&values[row * kPieces<T> + (piece ^ row % 8)]) + 2 * lane % E;
  if constexpr (sizeof(T) == 4) {
    return *reinterpret_cast<const float2*>(pair);
  } else {
    return unpack_pair<T>(*reinterpret_cast<const uint32_t*>(pair));
  }
}

// The warp's values times its weights, in place of the weights. By whole warps; the values are free
// afterwards.
template <typename T, int N>
__device__ inline void sum_values(const uint4* values, float* weights_then_sums) {
  float2 sums[N] = {};
#pragma unroll
  for (int key = 0; key < 32; key += 4) {
    float2 value[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) value[i] = value_pair<T>(values, key + i);
#pragma unroll
    for (int b = 0; b < N; ++b) {
      const float4 w = *reinterpret_cast<const float4*>(weights_then_sums + b * 32 + key);
      const float weight[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sums[b].x = fmaf(weight[i], value[i].x, sums[b].x);
        sums[b].y = fmaf(weight[i], value[i].y, sums[b].y);
      }
    }
  }
  __syncwarp();  // all lanes have read the weights
#pragma unroll
  for (int b = 0; b < N; ++b) {
    reinterpret_cast<float2*>(weights_then_sums + b * kD)[threadIdx.x % 32] = sums[b];
  }
}

__device__ inline float* partials_of(const PagedAttention& a, const Item& item, int chunk) {
  const size_t chunks = static_cast<size_t>(a.tables.max_pages) * a.tables.max_beams;
  const size_t place = (static_cast<size_t>(item.segment) * a.heads + item.head) * chunks + chunk;
  return a.partials + place * a.tables.max_beams * kPartialFloats;
}

template <typename T>
__device__ inline void write_out(const PagedAttention& a, const Item& item, int beam, int dim,
                                 float x) {
  const size_t row = static_cast<size_t>(item.segment) * a.tables.max_beams + beam;
  static_cast<T*>(a.out)[(row * a.heads + item.head) * kD + dim] = from_float<T>(x);
}

// The four warps' sums to the chunk's: to the output if it is the only chunk.
template <typename T, int N>
__device__ inline void combine_warps(const PagedAttention& a, const Item& item,
                                     const Shared<T, N>& shared) {
  float* partial = partials_of(a, item, item.chunk);
  for (int e = threadIdx.x; e < item.beams * kD; e += kThreads) {
    const int b = e / kD;
    float top = -INFINITY;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) top = fmaxf(top, shared.totals[w][b].x);
    const float base = top == -INFINITY ? 0.0f : top;  // the beam reads nothing here
    float total = 0.0f, sum = 0.0f;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      const float scale = exp2f(shared.totals[w][b].x - base);
      total = fmaf(shared.totals[w][b].y, scale, total);
      sum = fmaf(shared.sums[w][e], scale, sum);
    }
    if (item.chunks == 1) {
      write_out<T>(a, item, b, e % kD, sum / total);
    } else {
      partial[e] = sum;
      if (e % kD == 0) {
        reinterpret_cast<float2*>(partial + a.tables.max_beams * kD)[b] = make_float2(top, total);
      }
    }
  }
}

// All chunks' sums, in their order, to the output. By the block that came last.
template <typename T>
__device__ inline void merge_chunks(const PagedAttention& a, const Item& item) {
  const size_t stride = static_cast<size_t>(a.tables.max_beams) * kPartialFloats;
  const float* sums = partials_of(a, item, 0);
  for (int e = threadIdx.x; e < item.beams * kD; e += kThreads) {
    const int b = e / kD;
    const float* totals = sums + a.tables.max_beams * kD + 2 * b;
    float top = -INFINITY, total = 0.0f, sum = 0.0f;
    // In one pass: the way to the partials is longer than what there is to compute.
#pragma unroll 8
    for (int c = 0; c < item.chunks; ++c) {
      const float2 chunk = __ldcg(reinterpret_cast<const float2*>(totals + c * stride));
      const float more = __ldcg(sums + c * stride + e);
      const float next = fmaxf(top, chunk.x);
      const float base = next == -INFINITY ? 0.0f : next;
      const float keep = exp2f(top - base), scale = exp2f(chunk.x - base);
      total = fmaf(chunk.y, scale, total * keep);
      sum = fmaf(more, scale, sum * keep);
      top = next;
    }
    write_out<T>(a, item, b, e % kD, sum / total);
  }
}

// True for the block that leaves the last partials of its segment and head. By whole blocks.
__device__ inline bool arrive(const PagedAttention& a, const Item& item, int* shared_arrived) {
  __syncthreads();  // the block's partials are written
  if (threadIdx.x == 0) {
    int32_t* arrived = &a.arrived[item.segment * a.heads + item.head];
    __threadfence();
    const int before = atomicAdd(arrived, 1);
    if (before == item.chunks - 1) {
      *arrived = 0;
      __threadfence();
    }
    *shared_arrived = before;
  }
  __syncthreads();
  return *shared_arrived == item.chunks - 1;
}

// A chunk's sums go where they belong. By whole blocks; the sums in shared memory are free
// afterwards.
template <typename T, int N>
__device__ inline void finish_chunk(const PagedAttention& a, const Item& item,
                                    Shared<T, N>& shared) {
  combine_warps<T, N>(a, item, shared);
  if (item.chunks == 1) {
    __syncthreads();
  } else if (arrive(a, item, &shared.arrived)) {
    merge_chunks<T>(a, item);
  }
}

}  // namespace paged
}  // namespace indextts2
