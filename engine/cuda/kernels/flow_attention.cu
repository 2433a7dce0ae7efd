// Attention of ragged rows on the tensor cores: keys in tiles of 64 from the stream's first on, one
// running maximum and sum a row, so that no row depends on who lies beside it.
#include "cuda/kernels/async_mma.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_vector.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#pragma nv_diag_suppress 177  // nothing below is used there
#endif

namespace indextts2 {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * 32;
constexpr int kKeys = 64;
constexpr int kUnitRows = 16;  // of one product
constexpr int kUnits = 2;      // of a warp at most: each fragment of keys serves both
static_assert(kLargeAttentionRows <= kWarps * kUnits * kUnitRows &&
                  kAttentionRows <= kLargeAttentionRows,
              "a block serves one tile");

__device__ inline void load_transposed(uint32_t (&r)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

// c += a b, of one type for both.
__device__ inline void multiply(float* c, const uint32_t* a, const uint32_t* b, __nv_bfloat16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ inline void multiply(float* c, const uint32_t* a, const uint32_t* b, __half) {
  multiply_half(c, a, b);
}

// 2^x of the special function unit; what would be subnormal is zero.
__device__ inline float power_of_two(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(result) : "f"(x));
  return result;
}

// Rows of D elements in shared memory: their pieces of 16 bytes are turned about by the row's
// number such that 8 rows of one piece touch all banks. Addresses of 8 rows' pieces differ in the
// bits above; so a piece is reached by exclusive or.
template <int D>
struct Tile {
  static constexpr uint32_t kRowBytes = D * 2;
  static constexpr int kPieces = D / 8;
  static constexpr int kRowsAtOnce = kThreads / kPieces;  // that all threads copy at once
  static constexpr uint32_t kBytes = kKeys * kRowBytes,
                            kQueryBytes = kLargeAttentionRows * kRowBytes;

  __device__ static uint32_t place(int row, int piece) {
    const int turn = D == 64 ? row & 7 : (row >> 1) & 3;
    return static_cast<uint32_t>(row) * kRowBytes + (static_cast<uint32_t>(piece ^ turn) << 4);
  }
};

// Copies `Rows` rows, zeros from row `limit` on: each thread the same piece of some rows. `to`,
// `from`: the thread's piece of the first that it copies, `limit` is less that row's number; `any`:
// an address that may be read.
template <typename T, int D, int Rows>
__device__ void load_rows(uint32_t to, const T* from, int stride, int limit, const T* any) {
  using Place = Tile<D>;
  static_assert(Rows % Place::kRowsAtOnce == 0, "no row is left");
#pragma unroll
  for (int i = 0; i < Rows / Place::kRowsAtOnce; ++i) {
    const bool valid = i * Place::kRowsAtOnce < limit;
    copy16(to + i * Place::kRowsAtOnce * Place::kRowBytes,
           valid ? from + i * Place::kRowsAtOnce * stride : any, valid);
  }
}

// One warp's units of 16 rows, `kWarps` units apart. The queries stay in shared memory: three
// blocks of an SM leave 168 registers.
template <typename T, int D>
struct Units {
  using Place = Tile<D>;
  static constexpr int kSteps = D / 16, kColumns = D / 8;
  // Weights are powers of two: scores times kScale, of 1 / sqrt(D) and log2(e), less those of a
  // maximum. It rises only when weights would pass 2^8, so that sums are seldom scaled.
  static constexpr float kScale = 1.4426950408889634f * (D == 64 ? 0.125f : 0.17677669529663687f);
  static constexpr float kSlack = 8.0f / kScale;
  static constexpr uint32_t kApart = kWarps * kUnitRows * Place::kRowBytes;
  float out[kUnits][kColumns][4] = {};
  float top[kUnits][2], sum[kUnits][2];  // of rows lane / 4 and lane / 4 + 8
  float scores[kUnits][kKeys / 8][4];

  __device__ Units() {
#pragma unroll
    for (int m = 0; m < kUnits; ++m)
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        top[m][r] = -INFINITY;
        sum[m][r] = 0.0f;
      }
  }

  // `queries`: where the lane's row of the first unit lies, `keys`: that of the tile.
  template <int Count>
  __device__ void score(uint32_t queries, uint32_t keys) {
#pragma unroll
    for (int m = 0; m < Count; ++m)
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) scores[m][n][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < kSteps; ++k) {
      uint32_t q[Count][4];
#pragma unroll
      for (int m = 0; m < Count; ++m) load_matrices4((queries ^ (k * 32)) + m * kApart, q[m]);
      const uint32_t column = keys ^ (k * 32);
#pragma unroll
      for (int n = 0; n < kKeys / 8; n += 2) {
        uint32_t b[4];
        load_matrices4(column + n * 8 * Place::kRowBytes, b);
#pragma unroll
        for (int m = 0; m < Count; ++m) {
          multiply(scores[m][n], q[m], b, T());
          multiply(scores[m][n + 1], q[m], b + 2, T());
        }
      }
    }
  }

  // Keys from `left` on are not there.
  template <int Count>
  __device__ void mask(int left, int lane) {
#pragma unroll
    for (int m = 0; m < Count; ++m)
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
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
        for (int n = 1; n < kKeys / 8; ++n) {
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
        for (int n = 0; n < kKeys / 8; ++n) {
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

  template <int Count>
  __device__ void gather(uint32_t values) {
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      uint32_t a[Count][4];
#pragma unroll
      for (int m = 0; m < Count; ++m) {
        a[m][0] = pack_two(scores[m][2 * k][0], scores[m][2 * k][1], T());
        a[m][1] = pack_two(scores[m][2 * k][2], scores[m][2 * k][3], T());
        a[m][2] = pack_two(scores[m][2 * k + 1][0], scores[m][2 * k + 1][1], T());
        a[m][3] = pack_two(scores[m][2 * k + 1][2], scores[m][2 * k + 1][3], T());
      }
#pragma unroll
      for (int d = 0; d < kColumns; d += 2) {
        uint32_t b[4];
        load_transposed(b, (values ^ (d * 16)) + k * 16 * Place::kRowBytes);
#pragma unroll
        for (int m = 0; m < Count; ++m) {
          multiply(out[m][d], a[m], b, T());
          multiply(out[m][d + 1], a[m], b + 2, T());
        }
      }
    }
  }

  // `to`: the result of the tile's first query. Rows from `limit` on are not written.
  __device__ void finish(T* to, int stride, int first_row, int limit, int lane) {
#pragma unroll
    for (int m = 0; m < kUnits; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float total = sum[m][r];
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 1);
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 2);
        const float factor = 1.0f / total;
        const int row = first_row + m * kWarps * kUnitRows + r * 8 + (lane >> 2);
        if (row >= limit) continue;
#pragma unroll
        for (int d = 0; d < kColumns; ++d) {
          *reinterpret_cast<uint32_t*>(to + row * stride + d * 8 + (lane & 3) * 2) =
              pack_two(out[m][d][2 * r] * factor, out[m][d][2 * r + 1] * factor, T());
        }
      }
    }
  }

  template <int Count>
  __device__ void take(uint32_t queries, uint32_t keys, uint32_t values, int left, int lane) {
    score<Count>(queries, keys);
    if (left < kKeys) mask<Count>(left, lane);
    weigh<Count>();
    gather<Count>(values);
  }

  // The units that the tile has, `mine` rows from the first unit's on.
  __device__ void take_own(int mine, uint32_t queries, uint32_t keys, uint32_t values, int left,
                           int lane) {
    if (mine > kWarps * kUnitRows) {
      take<2>(queries, keys, values, left, lane);
    } else if (mine > 0) {
      take<1>(queries, keys, values, left, lane);
    }
  }
};

// Block: (head, tile).
template <typename T, int D>
__global__ void __launch_bounds__(kThreads, 3)
    attend(const T* qkv, T* out, const AttentionTile* tiles, const int32_t* tile_count, int heads,
           int round) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800  // older devices are not served
  using Place = Tile<D>;
  __shared__ alignas(1024) unsigned char memory[Place::kQueryBytes + 4 * Place::kBytes];
  if (static_cast<int>(blockIdx.y) >= *tile_count) return;
  const AttentionTile tile = tiles[blockIdx.y];
  const int lane = threadIdx.x & 31;
  // The first warps may have more units: neighbours on an SM, `round` blocks apart, begin with
  // others.
  const int block = static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x);
  const int warp = (static_cast<int>(threadIdx.x >> 5) + 2 * (block / round)) % kWarps;
  const int first_row = warp * kUnitRows;
  const int width = heads * D, stride = 3 * width, column = static_cast<int>(blockIdx.x) * D;

  const auto queries = static_cast<uint32_t>(__cvta_generic_to_shared(memory));
  const uint32_t stages = queries + Place::kQueryBytes;  // keys, values; keys, values
  const int own_row = static_cast<int>(threadIdx.x) / Place::kPieces;
  const int own_piece = static_cast<int>(threadIdx.x) % Place::kPieces;
  const uint32_t own_place = Place::place(own_row, own_piece);
  const T* keys =
      qkv + static_cast<int64_t>(tile.key_row + own_row) * stride + width + column + own_piece * 8;
  const auto load_keys = [&](uint32_t to, int limit) {
    load_rows<T, D, kKeys>(to + own_place, keys, stride, limit - own_row, qkv);
    load_rows<T, D, kKeys>(to + own_place + Place::kBytes, keys + width, stride, limit - own_row,
                           qkv);
    keys += kKeys * stride;
  };
  wait_for_predecessors();
  load_rows<T, D, kLargeAttentionRows>(
      queries + own_place,
      qkv + static_cast<int64_t>(tile.query_row + own_row) * stride + column + own_piece * 8,
      stride, tile.queries - own_row, qkv);
  load_keys(stages, tile.keys);
  copies_commit();

  // What each lane reads of the tiles for ldmatrix.
  const uint32_t own_queries = queries + Place::place(first_row + (lane & 15), lane >> 4);
  const uint32_t own_keys = stages + Place::place((lane >> 4) * 8 + (lane & 7), (lane >> 3) & 1);
  const uint32_t own_values = stages + Place::kBytes + Place::place(lane & 15, lane >> 4);
  Units<T, D> units;
  const int mine = tile.queries - first_row;
  uint32_t stage = 0;
  for (int left = tile.keys; left > 0; left -= kKeys) {
    copies_wait<0>();
    __syncthreads();  // everyone's copies are there, and nobody reads the other stage any more
    if (left > kKeys) {
      load_keys(stages + (2 * Place::kBytes - stage), left - kKeys);
      copies_commit();
    }
    units.take_own(mine, own_queries, own_keys + stage, own_values + stage, left, lane);
    stage = 2 * Place::kBytes - stage;
  }
  const AttentionTile again = tiles[blockIdx.y];  // rather than to keep it
  units.finish(out + static_cast<int64_t>(again.out_row) * width + column, width, first_row,
               again.queries, lane);
#endif
}

template <typename T, int D>
cudaError_t launch_sized(const AttentionCall& call, cudaStream_t on) {
  int device = 0, round = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status != cudaSuccess) return status;
  status = cudaDeviceGetAttribute(&round, cudaDevAttrMultiProcessorCount, device);
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(call.max_tiles));
  return launch_dependent(attend<T, D>, grid, kThreads, 0, on, static_cast<const T*>(call.qkv),
                          static_cast<T*>(call.out), call.tiles, call.tile_count, call.heads,
                          round);
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
