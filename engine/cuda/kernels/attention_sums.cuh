// From keys in shared memory to weighted sums of values: what one warp does with its chunks, on the
// tensor cores for numbers of two bytes. Of paged_attention.cu.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstring>

#include "cuda/kernels/attention_keys.cuh"
#include "cuda/kernels/tensor_cores.cuh"

namespace indextts2 {
namespace paged {

// All multiplications and additions say how they are rounded: the kernels for few and for many
// segments give the same bits.
constexpr float kScale = 0.125f * 1.4426950408889634f;  // 1 / sqrt(D) / ln(2)

// What a warp leaves behind for each beam: sums relative to its top score.
template <int N>
struct Partial {
  float2 totals[N];  // top score to the base 2, total weight
  float sums[N][kD];
};

// The maximum (sum) over the lanes of a group of `Lanes`.
template <int First, int Last>
__device__ inline float group_max(float x) {
#pragma unroll
  for (int o = First; o <= Last; o *= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, o));
  return x;
}
template <int First, int Last>
__device__ inline float group_sum(float x) {
#pragma unroll
  for (int o = First; o <= Last; o *= 2) x += __shfl_xor_sync(kAllLanes, x, o);
  return x;
}

__device__ inline float base_of(float top) { return top == -INFINITY ? 0.0f : top; }

template <typename T>
__device__ inline const char* query_of(const PagedAttention& a, const Unit& unit, int beam) {
  const size_t row = static_cast<size_t>(unit.segment) * a.tables.max_beams + beam;
  return static_cast<const char*>(a.qkv) +
         (row * 3 * a.heads + unit.head) * static_cast<size_t>(kD) * sizeof(T);
}

// sum += a b: 16 x 8 outputs, 16 of the inner dimension.
template <typename T>
__device__ inline void multiply(float (&sum)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                                uint32_t b0, uint32_t b1) {
  const uint32_t a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};
  multiply16x8<T>(sum, a, b);
}

// Two numbers of T, the first one in the low half.
template <typename T>
__device__ inline uint32_t pack_pair(float x, float y) {
  const T pair[2] = {from_float<T>(x), from_float<T>(y)};
  uint32_t word;
  memcpy(&word, pair, 4);
  return word;
}

// Numbers of two bytes. The products have 16 rows: beams 0-7 in the upper half (of lanes g = lane /
// 4), beams 8 and 9 in the lower one. Up to 8 beams the lower half holds what rounding the weights
// to T has cut off, so that it costs nothing.
template <typename T, int N>
class Sums {
 public:
  __device__ void load_queries(const PagedAttention& a, const Unit& unit) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const int beam = g + 8 * half;
      const bool there = beam < a.tables.max_beams;
      const auto* row = reinterpret_cast<const uint32_t*>(query_of<T>(a, unit, there ? beam : 0));
#pragma unroll
      for (int i = 0; i < kD / 8; ++i) queries_[half][i] = there ? row[i * 4 + t] : 0;
    }
  }

  __device__ void add(const Stage& stage) {
    float scores[2][4] = {};  // of keys 0-7 and 8-15: beam g's of 2t, 2t + 1, then beam g + 8's
    score(stage, scores);
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const uint2 low = *reinterpret_cast<const uint2*>(&stage.readers[2 * t]);
    const uint2 high = *reinterpret_cast<const uint2*>(&stage.readers[2 * t + 8]);
    const uint32_t readers[4] = {low.x, low.y, high.x, high.y};
    float scales[2] = {1.0f, 1.0f};
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      float top = tops_[half];
      float own[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool reads = readers[i] >> (g + 8 * half) & 1;
        own[i] = reads ? __fmul_rn(scores[i / 2][2 * half + i % 2], kScale) : -INFINITY;
        top = fmaxf(top, own[i]);
      }
      top = group_max<1, 2>(top);
      const float base = base_of(top);
      if (top != tops_[half]) scales[half] = exp2f(tops_[half] - base);
      tops_[half] = top;
      totals_[half] = __fmul_rn(totals_[half], scales[half]);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float weight = exp2f(own[i] - base);
        scores[i / 2][2 * half + i % 2] = weight;
        totals_[half] = __fadd_rn(totals_[half], weight);
      }
    }
    if (kHalves == 1) scales[1] = scales[0];
    if (__any_sync(kAllLanes, scales[0] != 1.0f || scales[1] != 1.0f)) {
#pragma unroll
      for (int i = 0; i < kD / 8; ++i) {
        sums_[i][0] *= scales[0], sums_[i][1] *= scales[0];
        sums_[i][2] *= scales[1], sums_[i][3] *= scales[1];
      }
    }
    add_values(stage, scores);
  }

  __device__ void store(Partial<N>* partial) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const int beam = g + 8 * half;
      const float total = group_sum<1, 2>(totals_[half]);
      if (beam >= N) continue;
      if (t == 0) partial->totals[beam] = make_float2(tops_[half], total);
#pragma unroll
      for (int i = 0; i < kD / 8; ++i) {
        const float* sum = sums_[i] + 2 * half;
        float2 pair = make_float2(sum[0], sum[1]);
        if (kHalves == 1) pair.x += sums_[i][2], pair.y += sums_[i][3];
        *reinterpret_cast<float2*>(&partial->sums[beam][i * 8 + 2 * t]) = pair;
      }
    }
  }

 private:
  static constexpr int kHalves = N > 8 ? 2 : 1;

  __device__ static uint32_t place(const Stage& stage, int row, int piece) {
    return static_cast<uint32_t>(
        __cvta_generic_to_shared(&stage.rows[row * kPieces<T> + (piece ^ row % 8)]));
  }

  __device__ void score(const Stage& stage, float (&scores)[2][4]) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int keys = 0; keys < 2; ++keys) {
#pragma unroll
      for (int i = 0; i < kD / 32; ++i) {
        uint32_t key[4];  // 32 dimensions of 8 keys
        load_matrices4(place(stage, keys * 8 + lane % 8, i * 4 + lane / 8), key);
#pragma unroll
        for (int step = 0; step < 2; ++step) {
          const int q = i * 4 + step * 2;
          multiply<T>(scores[keys], queries_[0][q], kHalves > 1 ? queries_[kHalves - 1][q] : 0,
                      queries_[0][q + 1], kHalves > 1 ? queries_[kHalves - 1][q + 1] : 0,
                      key[2 * step], key[2 * step + 1]);
        }
      }
    }
  }

  __device__ void add_values(const Stage& stage, const float (&weights)[2][4]) {
    // Rounded weights, and what is left of them: upper and lower half of keys 0-7 and 8-15.
    uint32_t high[2][2] = {}, rest[2][2] = {};
#pragma unroll
    for (int keys = 0; keys < 2; ++keys) {
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
        const float x = weights[keys][2 * half], y = weights[keys][2 * half + 1];
        high[keys][half] = pack_pair<T>(x, y);
        const float2 rounded = unpack_pair<T>(high[keys][half]);
        rest[keys][half] = pack_pair<T>(x - rounded.x, y - rounded.y);
      }
      if (kHalves == 1) high[keys][1] = rest[keys][0];
    }
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t value[4];  // 16 dimensions of 16 values
      load_transposed4(place(stage, kChunk<T> + lane / 8 % 2 * 8 + lane % 8, i * 2 + lane / 16),
                       value);
#pragma unroll
      for (int dims = 0; dims < 2; ++dims) {
        float(&sum)[4] = sums_[i * 2 + dims];
        multiply<T>(sum, high[0][0], high[0][1], high[1][0], high[1][1], value[2 * dims],
                    value[2 * dims + 1]);
        if (kHalves == 2) {
          multiply<T>(sum, rest[0][0], rest[0][1], rest[1][0], rest[1][1], value[2 * dims],
                      value[2 * dims + 1]);
        }
      }
    }
  }

  uint32_t queries_[kHalves][kD / 8];  // pairs of dimensions 8i + 2t
  float tops_[2] = {-INFINITY, -INFINITY}, totals_[2] = {};
  float sums_[kD / 8][4] = {};  // dimensions 8i + 2t, + 1: upper half, lower half
};

// Numbers of four bytes: 4 lanes score one of 8 keys, then each lane sums two dimensions.
template <int N>
class Sums<float, N> {
 public:
  __device__ void load_queries(const PagedAttention& a, const Unit& unit) {
#pragma unroll
    for (int b = 0; b < N; ++b) {
      const int beam = b < a.tables.max_beams ? b : 0;
      queries_[b] =
          reinterpret_cast<const float4*>(query_of<float>(a, unit, beam)) + threadIdx.x % 4 * 4;
      tops_[b] = -INFINITY;
    }
  }

  __device__ void add(const Stage& stage) {
    constexpr int P = kPieces<float>, kKeys = kChunk<float>;
    const int lane = threadIdx.x % 32, key = lane / 4, quarter = lane % 4;
    const auto* rows = reinterpret_cast<const float4*>(stage.rows);
    float weight[N] = {};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 k = rows[key * P + ((quarter * 4 + i) ^ key)];
#pragma unroll
      for (int b = 0; b < N; ++b) {
        const float4 q = queries_[b][i];
        weight[b] = fmaf(q.x, k.x, fmaf(q.y, k.y, fmaf(q.z, k.z, fmaf(q.w, k.w, weight[b]))));
      }
    }
    const uint32_t readers = stage.readers[key];
#pragma unroll
    for (int b = 0; b < N; ++b) {
      const float score = __fmul_rn(group_sum<1, 2>(weight[b]), kScale);
      const float own = readers >> b & 1 ? score : -INFINITY;
      const float top = fmaxf(tops_[b], group_max<4, 16>(own));
      const float base = base_of(top), keep = exp2f(tops_[b] - base);
      weight[b] = exp2f(own - base);
      tops_[b] = top;
      totals_[b] = fmaf(totals_[b], keep, group_sum<4, 16>(weight[b]));
      sums_[b].x *= keep, sums_[b].y *= keep;
    }
#pragma unroll
    for (int k = 0; k < kKeys; ++k) {
      const int piece = (kKeys + k) * P + (lane / 2 ^ k);
      const float2 value = reinterpret_cast<const float2*>(&rows[piece])[lane % 2];
#pragma unroll
      for (int b = 0; b < N; ++b) {
        const float w = __shfl_sync(kAllLanes, weight[b], k * 4);
        sums_[b].x = fmaf(w, value.x, sums_[b].x), sums_[b].y = fmaf(w, value.y, sums_[b].y);
      }
    }
  }

  __device__ void store(Partial<N>* partial) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int b = 0; b < N; ++b) {
      if (lane == 0) partial->totals[b] = make_float2(tops_[b], totals_[b]);
      *reinterpret_cast<float2*>(&partial->sums[b][2 * lane]) = sums_[b];
    }
  }

 private:
  const float4* queries_[N];
  float tops_[N], totals_[N] = {};
  float2 sums_[N] = {};  // dimensions 2 * lane, + 1
};

}  // namespace paged
}  // namespace indextts2
