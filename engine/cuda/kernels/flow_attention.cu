// Attention of ragged rows on the tensor cores: keys in tiles of 64 from the stream's first on, one
// running maximum and sum a row, so that no row depends on who lies beside it.
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_vector.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#pragma nv_diag_suppress 177  // nothing below is used there
#endif

namespace indextts2 {
namespace {

constexpr int kWarps = 3;
constexpr int kWarpRows = 32;  // two m16 tiles: fewer would be bound by shared memory
constexpr int kThreads = kWarps * 32;
constexpr int kKeys = 64;
static_assert(kWarps * kWarpRows == kAttentionRows, "a block serves one tile");

__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// 16 bytes from global to shared memory; zeros if not `valid`.
__device__ inline void copy_async(void* to, const void* from, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(to)),
               "l"(from), "r"(bytes)
               : "memory");
}

__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }

template <int Pending>
__device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Pending) : "memory");
}

__device__ inline void load_matrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ inline void load_transposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                __nv_bfloat16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                __half) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// 2^x of the special function unit; what would be subnormal is zero.
__device__ inline float power_of_two(float x) {
  float result;
  asm volatile("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(result) : "f"(x));
  return result;
}

// Where the 8 elements `chunk` of a row lie in a tile of D elements a row: turned about so that 8
// rows of one chunk touch all banks.
template <int D>
__device__ int place(int row, int chunk) {
  return D == 64 ? row * 64 + ((chunk ^ (row & 7)) << 3)
                 : row * 32 + ((chunk ^ ((row >> 1) & 3)) << 3);
}

// The queries of a tile, zeros from row `limit` on.
template <typename T, int D>
__device__ void load_queries(T* tile, const T* from, int stride, int limit) {
  constexpr int kChunks = D / 8;
  for (int i = static_cast<int>(threadIdx.x); i < kAttentionRows * kChunks; i += kThreads) {
    const int row = i / kChunks, chunk = i % kChunks;
    const bool valid = row < limit;
    copy_async(tile + place<D>(row, chunk), from + (valid ? row : 0) * stride + chunk * 8, valid);
  }
}

// kKeys keys from `from` on and their values, `apart` elements behind; zeros from row `limit` on.
template <typename T, int D>
__device__ void load_keys(T* keys, T* values, const T* from, int stride, int apart, int limit) {
  constexpr int kChunks = D / 8;
  for (int i = static_cast<int>(threadIdx.x); i < kKeys * kChunks; i += kThreads) {
    const int row = i / kChunks, chunk = i % kChunks, at = place<D>(row, chunk);
    const bool valid = row < limit;
    const T* source = from + (valid ? row : 0) * stride + chunk * 8;
    copy_async(keys + at, source, valid);
    copy_async(values + at, source + apart, valid);
  }
}

// One warp's 32 rows. The queries stay in shared memory: three blocks of an SM leave 168 registers.
template <typename T, int D>
struct Rows {
  static constexpr int kSteps = D / 16, kColumns = D / 8;
  float out[2][kColumns][4] = {};
  float top[2][2], sum[2][2];  // of rows lane / 4 and lane / 4 + 8 of each m16 tile
  float scores[2][kKeys / 8][4];

  __device__ Rows() {
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        top[m][r] = -INFINITY;
        sum[m][r] = 0.0f;
      }
  }

  __device__ void score(const T* queries, int first_row, const T* keys, int lane) {
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) scores[m][n][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < kSteps; ++k) {
      uint32_t q[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        load_matrices(q[m],
                      queries + place<D>(first_row + m * 16 + (lane & 15), 2 * k + (lane >> 4)));
      }
#pragma unroll
      for (int n = 0; n < kKeys / 8; n += 2) {
        uint32_t b[4];
        load_matrices(
            b, keys + place<D>(n * 8 + (lane >> 4) * 8 + (lane & 7), 2 * k + ((lane >> 3) & 1)));
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          multiply(scores[m][n], q[m], b[0], b[1], T());
          multiply(scores[m][n + 1], q[m], b[2], b[3], T());
        }
      }
    }
  }

  // Keys from `left` on are not there.
  __device__ void mask(int left, int lane) {
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (n * 8 + (lane & 3) * 2 + (i & 1) >= left) scores[m][n][i] = -INFINITY;
        }
  }

  // Scores become weights; what was summed so far is scaled to the new maximum.
  __device__ void weigh(float scale) {
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float most = top[m][r];
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
          most = fmaxf(most, fmaxf(scores[m][n][2 * r], scores[m][n][2 * r + 1]));
        }
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 2));
        const float shrink = power_of_two((top[m][r] - most) * scale), lowered = most * scale;
        top[m][r] = most;
        float total = 0.0f;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int i = 2 * r; i < 2 * r + 2; ++i) {
            scores[m][n][i] = power_of_two(fmaf(scores[m][n][i], scale, -lowered));
            total += scores[m][n][i];
          }
        }
        sum[m][r] = fmaf(sum[m][r], shrink, total);
#pragma unroll
        for (int d = 0; d < kColumns; ++d) {
          out[m][d][2 * r] *= shrink;
          out[m][d][2 * r + 1] *= shrink;
        }
      }
    }
  }

  __device__ void gather(const T* values, int lane) {
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      uint32_t a[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        a[m][0] = pack_two(scores[m][2 * k][0], scores[m][2 * k][1], T());
        a[m][1] = pack_two(scores[m][2 * k][2], scores[m][2 * k][3], T());
        a[m][2] = pack_two(scores[m][2 * k + 1][0], scores[m][2 * k + 1][1], T());
        a[m][3] = pack_two(scores[m][2 * k + 1][2], scores[m][2 * k + 1][3], T());
      }
#pragma unroll
      for (int d = 0; d < kColumns; d += 2) {
        uint32_t b[4];
        load_transposed(b, values + place<D>(k * 16 + (lane & 15), d + (lane >> 4)));
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          multiply(out[m][d], a[m], b[0], b[1], T());
          multiply(out[m][d + 1], a[m], b[2], b[3], T());
        }
      }
    }
  }

  // `to`: the result of the tile's first query. Rows from `limit` on are not written.
  __device__ void finish(T* to, int stride, int first_row, int limit, int lane) {
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float total = sum[m][r];
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 1);
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 2);
        const float factor = 1.0f / total;
        const int row = first_row + m * 16 + r * 8 + (lane >> 2);
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

// Block: (head, tile).
template <typename T, int D>
__global__ void __launch_bounds__(kThreads, 3)
    attend(const T* qkv, T* out, const AttentionTile* tiles, const int32_t* tile_count, int heads) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800  // older devices are not served
  __shared__ alignas(128) T query_tile[kAttentionRows * D];
  __shared__ alignas(128) T key_tiles[2][kKeys * D];
  __shared__ alignas(128) T value_tiles[2][kKeys * D];
  if (static_cast<int>(blockIdx.y) >= *tile_count) return;
  const AttentionTile tile = tiles[blockIdx.y];
  const int lane = threadIdx.x & 31, first_row = (threadIdx.x >> 5) * kWarpRows;
  const int width = heads * D, stride = 3 * width, column = static_cast<int>(blockIdx.x) * D;
  const T* keys = qkv + static_cast<int64_t>(tile.key_row) * stride + width + column;

  load_queries<T, D>(query_tile, qkv + static_cast<int64_t>(tile.query_row) * stride + column,
                     stride, tile.queries);
  load_keys<T, D>(key_tiles[0], value_tiles[0], keys, stride, width, tile.keys);
  commit_copies();

  Rows<T, D> rows;
  constexpr float kLog2E = 1.4426950408889634f;
  const float scale = kLog2E / sqrtf(static_cast<float>(D));
  const int count = (tile.keys + kKeys - 1) / kKeys;
  for (int i = 0; i < count; ++i) {
    const int now = i & 1, left = tile.keys - i * kKeys;
    if (i + 1 < count) {
      keys += static_cast<int64_t>(kKeys) * stride;
      load_keys<T, D>(key_tiles[now ^ 1], value_tiles[now ^ 1], keys, stride, width, left - kKeys);
      commit_copies();
      wait_for_copies<1>();
    } else {
      wait_for_copies<0>();
    }
    __syncthreads();
    rows.score(query_tile, first_row, key_tiles[now], lane);
    if (left < kKeys) rows.mask(left, lane);
    rows.weigh(scale);
    rows.gather(value_tiles[now], lane);
    __syncthreads();  // before the next round's copies into this round's tiles
  }
  rows.finish(out + static_cast<int64_t>(tile.out_row) * width + column, width, first_row,
              tile.queries, lane);
#endif
}

template <typename T, int D>
cudaError_t launch_sized(const AttentionCall& call, cudaStream_t on) {
  // Three blocks need more shared memory than the default division of an SM may leave.
  const cudaError_t status = cudaFuncSetAttribute(
      attend<T, D>, cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared);
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(call.max_tiles));
  attend<T, D><<<grid, kThreads, 0, on>>>(static_cast<const T*>(call.qkv),
                                          static_cast<T*>(call.out), call.tiles, call.tile_count,
                                          call.heads);
  return cudaGetLastError();
}

template <typename T>
cudaError_t launch(const AttentionCall& call, cudaStream_t on) {
  if (call.head_size == 64) return launch_sized<T, 64>(call, on);
  if (call.head_size == 32) return launch_sized<T, 32>(call, on);
  return cudaErrorInvalidValue;
}

}  // namespace

bool attention_supports(int head_size) { return head_size == 32 || head_size == 64; }

cudaError_t attend_streams(const AttentionCall& call, cudaStream_t on) {
  switch (call.type) {
    case FlowType::kFloat32:
      return attend_streams_float(call, on);
    case FlowType::kBFloat16:
      return launch<__nv_bfloat16>(call, on);
    case FlowType::kFloat16:
      return launch<__half>(call, on);
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
