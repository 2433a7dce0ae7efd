// What the attention kernels of flows share: tiles in shared memory, and the weights of a warp's
// rows. No row depends on who lies beside it.
#pragma once

#include <cstdint>

#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/flow_tables.h"
#include "cuda/kernels/flow_vector.cuh"

namespace indextts2 {

constexpr int kAttentionKeys = 64;  // of a tile, from the stream's first key on

// 2^x of the special function unit; what would be subnormal is zero.
__device__ inline float power_of_two(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(result) : "f"(x));
  return result;
}

// Rows of `Bytes` in shared memory: their pieces of 16 bytes are turned about by the row's number
// such that 8 rows of one piece touch all banks; with 128 bytes it is the layout that warpgroup
// products know as swizzled by 128 bytes. Addresses of 8 rows' pieces differ in the bits above; so
// a piece is reached by exclusive or.
template <int Bytes>
struct AttentionRows {
  static constexpr uint32_t kRowBytes = Bytes;
  static constexpr int kPieces = Bytes / 16;
  static constexpr uint32_t kBytes = kAttentionKeys * kRowBytes,
                            kQueryBytes = kLargeAttentionRows * kRowBytes;

  __device__ static uint32_t place(int row, int piece) {
    const int turn = kPieces >= 8 ? row & 7 : (row >> 1) & 3;
    return static_cast<uint32_t>(row) * kRowBytes + (static_cast<uint32_t>(piece ^ turn) << 4);
  }
};

// Copies `Rows` rows of D elements with `Threads` threads, zeros from row `limit` on: each thread
// the same piece of some rows. `to`, `from`: the thread's piece of the first that it copies,
// `limit` is less that row's number; `any`: an address that may be read.
template <typename T, int D, int Rows, int Threads>
__device__ void load_rows(uint32_t to, const T* from, int stride, int limit, const T* any) {
  using Place = AttentionRows<D * sizeof(T)>;
  constexpr int kRowsAtOnce = Threads / Place::kPieces;
  static_assert(Rows % kRowsAtOnce == 0 && kRowsAtOnce % 8 == 0, "no row is left, one turn");
#pragma unroll
  for (int i = 0; i < Rows / kRowsAtOnce; ++i) {
    const bool valid = i * kRowsAtOnce < limit;
    copy16(to + i * kRowsAtOnce * Place::kRowBytes, valid ? from + i * kRowsAtOnce * stride : any,
           valid);
  }
}

// A warp's units of 16 rows, their scores with a tile of keys in the tensor cores' layout: columns
// 8 n + 2 (lane % 4) + {0, 1} of rows lane / 4 and lane / 4 + 8.
template <typename T, int D, int kUnits>
struct WeighedRows {
  static constexpr int kColumns = D / 8;
  // Weights are powers of two: scores times kScale, of 1 / sqrt(D) and log2(e), less those of a
  // maximum. It rises only when weights would pass 2^8, so that sums are seldom scaled.
  static constexpr float kScale = 1.4426950408889634f * (D == 64 ? 0.125f : 0.17677669529663687f);
  static constexpr float kSlack = 8.0f / kScale;
  float out[kUnits][kColumns][4] = {};
  float top[kUnits][2], sum[kUnits][2];  // of rows lane / 4 and lane / 4 + 8
  float scores[kUnits][kAttentionKeys / 8][4];

  __device__ WeighedRows() {
#pragma unroll
    for (int m = 0; m < kUnits; ++m)
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        top[m][r] = -INFINITY;
        sum[m][r] = 0.0f;
      }
  }

  // Keys from `left` on are not there.
  template <int Count>
  __device__ void mask(int left, int lane) {
#pragma unroll
    for (int m = 0; m < Count; ++m)
#pragma unroll
      for (int n = 0; n < kAttentionKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (n * 8 + (lane & 3) * 2 + (i & 1) >= left) scores[m][n][i] = -INFINITY;
        }
  }

  // Scores become weights.
  template <int Count>
  __device__ void weigh() {
    float most[Count][2];
    bool risen = false;
#pragma unroll
    for (int m = 0; m < Count; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        most[m][r] = fmaxf(scores[m][0][2 * r], scores[m][0][2 * r + 1]);
#pragma unroll
        for (int n = 1; n < kAttentionKeys / 8; ++n) {
          most[m][r] = fmaxf(most[m][r], fmaxf(scores[m][n][2 * r], scores[m][n][2 * r + 1]));
        }
        risen = risen || most[m][r] > top[m][r] + kSlack;
      }
    }
    if (__any_sync(0xFFFFFFFFu, risen)) raise<Count>(most);
#pragma unroll
    for (int m = 0; m < Count; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float lowered = top[m][r] * kScale;
        float total = 0.0f;
#pragma unroll
        for (int n = 0; n < kAttentionKeys / 8; ++n) {
#pragma unroll
          for (int i = 2 * r; i < 2 * r + 2; ++i) {
            scores[m][n][i] = power_of_two(fmaf(scores[m][n][i], kScale, -lowered));
            total += scores[m][n][i];
          }
        }
        sum[m][r] += total;
      }
    }
  }

  // What was summed so far is scaled to a new maximum, in rows that have one: by itself each row
  // decides the same, whatever made the warp come here.
  template <int Count>
  __device__ void raise(float (&most)[Count][2]) {
#pragma unroll
    for (int m = 0; m < Count; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float row = most[m][r];
        row = fmaxf(row, __shfl_xor_sync(0xFFFFFFFFu, row, 1));
        row = fmaxf(row, __shfl_xor_sync(0xFFFFFFFFu, row, 2));
        if (!(row > top[m][r] + kSlack)) row = top[m][r];
        const float shrink = row > top[m][r] ? power_of_two((top[m][r] - row) * kScale) : 1.0f;
        top[m][r] = row;
        sum[m][r] = __fmul_rn(sum[m][r], shrink);  // never joined with an addition
#pragma unroll
        for (int d = 0; d < kColumns; ++d) {
          out[m][d][2 * r] *= shrink;
          out[m][d][2 * r + 1] *= shrink;
        }
      }
    }
  }

  // The weights of 16 keys as the left operand of a product.
  __device__ void pack(int unit, int step, uint32_t (&a)[4]) const {
    const auto& low = scores[unit][2 * step];
    const auto& high = scores[unit][2 * step + 1];
    a[0] = pack_two(low[0], low[1], T());
    a[1] = pack_two(low[2], low[3], T());
    a[2] = pack_two(high[0], high[1], T());
    a[3] = pack_two(high[2], high[3], T());
  }

  // `to`: the result of the tile's first query; units lie `apart` rows apart. Rows from `limit` on
  // are not written.
  __device__ void finish(T* to, int stride, int first_row, int apart, int limit, int lane) {
#pragma unroll
    for (int m = 0; m < kUnits; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float total = sum[m][r];
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 1);
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 2);
        const float factor = 1.0f / total;
        const int row = first_row + m * apart + r * 8 + (lane >> 2);
        if (row >= limit) continue;
#pragma unroll
        for (int d = 0; d < kColumns; ++d) {
          *reinterpret_cast<uint32_t*>(to + row * stride + d * 8 + (lane & 3) * 2) =
              pack_two(out[m][d][2 * r] * factor, out[m][d][2 * r + 1] * factor, T());
        }
      }
    }
  }
};

}  // namespace indextts2
