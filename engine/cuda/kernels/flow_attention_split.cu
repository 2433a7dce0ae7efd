// Attention of ragged rows in float32 on the tensor cores: numbers are sums of two TF32 numbers,
// and three of the four products between them are added up, the small ones first. Keys in tiles of
// 64 from the stream's first on.
#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/device_code.h"
#include "cuda/kernels/flow_attention_split.h"
#include "cuda/kernels/flow_weights.cuh"
#include "cuda/kernels/tensor_cores.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#pragma nv_diag_suppress 177  // nothing below is used there
#endif

namespace indextts2 {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * 32;
constexpr int kKeys = kAttentionKeys;
constexpr int kUnitRows = 16;  // of one product
constexpr int kUnits = 2;      // of a warp: each fragment of keys is split once for both
static_assert(kLargeAttentionRows == kWarps * kUnits * kUnitRows, "a block serves one tile");

__device__ inline void load_four(uint32_t at, uint32_t (&r)[4]) {
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}

// Four numbers of a fragment in two parts of 11 bits each, off by 2^-23 at most: what is left of a
// number that was rounded has 12 bits and a sign. Products leave out the bits that are cleared
// here, which costs no instruction then.
struct Parts {
  uint32_t high[4], low[4];

  __device__ void split(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t of[4] = {a, b, c, d};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      high[i] = (of[i] + 0x1000u) & 0xFFFFE000u;
      const float rest = __fsub_rn(__uint_as_float(of[i]), __uint_as_float(high[i]));
      low[i] = __float_as_uint(rest) & 0xFFFFE000u;
    }
  }
  __device__ void split(const uint32_t (&of)[4]) { split(of[0], of[1], of[2], of[3]); }
};

// One warp's units of 16 rows, `kWarps` units apart. The queries stay in shared memory.
template <int D>
struct Units : WeighedRows<float, D, kUnits> {
  using Place = AttentionRows<D * sizeof(float)>;
  using Base = WeighedRows<float, D, kUnits>;
  using Base::out, Base::scores;
  static constexpr uint32_t kApart = kWarps * kUnitRows * Place::kRowBytes;

  // sums[m][j] = a[m] b[j] over 16 of the inner dimension. The tensor cores cut off what they add
  // to: so the sums start from zero, the small products come before the large ones, and long sums
  // are made of such sums elsewhere, rounded to nearest. a: [unit][half of the 16], b: a column
  // tile's two halves, two numbers of each.
  __device__ static void multiply(float (&sums)[kUnits][2][4], const Parts (&a)[kUnits][2],
                                  const Parts (&b)[2]) {
#pragma unroll
    for (int m = 0; m < kUnits; ++m)
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[m][j][i] = 0.0f;
#pragma unroll
    for (int product = 0; product < 3; ++product)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int m = 0; m < kUnits; ++m)
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            multiply16x8<float>(sums[m][j], product == 0 ? a[m][half].low : a[m][half].high,
                                (product == 1 ? b[j].low : b[j].high) + 2 * half);
          }
  }

  // `queries`: where the lane's row of the first unit lies, `keys`: that of the tile.
  __device__ void score(uint32_t queries, uint32_t keys) {
#pragma unroll
    for (int m = 0; m < kUnits; ++m)
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) scores[m][n][i] = 0.0f;
#pragma unroll 1
    for (int k = 0; k < D / 16; ++k) {
      Parts q[kUnits][2], b[2];
      uint32_t four[4];
#pragma unroll
      for (int m = 0; m < kUnits; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          load_matrices4((queries ^ (k * 64 + half * 32)) + m * kApart, four);
          q[m][half].split(four);
        }
#pragma unroll
      for (int n = 0; n < kKeys / 8; n += 2) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          load_matrices4((keys ^ (k * 64)) + (n + j) * 8 * Place::kRowBytes, four);
          b[j].split(four);
        }
        float sums[kUnits][2][4];
        multiply(sums, q, b);
#pragma unroll
        for (int m = 0; m < kUnits; ++m)
#pragma unroll
          for (int i = 0; i < 8; ++i) add(scores[m][n + i / 4][i % 4], sums[m][i / 4][i % 4]);
      }
    }
  }

  // Not joined with a product.
  __device__ static void add(float& sum, float more) { sum = __fadd_rn(sum, more); }

  // `values`: the lane's piece of the tile's row 2 (lane % 4), of number lane / 4. Keys 2 t and
  // 2 t + 1 of 8 are the products' numbers t and t + 4, as scores lie in the lanes; column tiles
  // 4 h .. 4 h + 3 have the four columns of a lane's piece, so that each is read at once.
  __device__ void gather(uint32_t values) {
    const uint32_t odd = (values ^ 16) + Place::kRowBytes;
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      Parts weights[kUnits][2];
#pragma unroll
      for (int m = 0; m < kUnits; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const auto& of = scores[m][2 * k + half];
          weights[m][half].split(__float_as_uint(of[0]), __float_as_uint(of[2]),
                                 __float_as_uint(of[1]), __float_as_uint(of[3]));
        }
#pragma unroll
      for (int h = 0; h < D / 32; ++h) {
        uint32_t rows[4][4];  // of the halves: rows 2 t, 2 t + 1
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          load_four((i % 2 == 0 ? values : odd) + (16 * k + i / 2 * 8) * Place::kRowBytes + h * 128,
                    rows[i]);
        }
#pragma unroll
        for (int n = 0; n < 4; n += 2) {
          Parts b[2];
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            b[j].split(rows[0][n + j], rows[1][n + j], rows[2][n + j], rows[3][n + j]);
          }
          float sums[kUnits][2][4];
          multiply(sums, weights, b);
#pragma unroll
          for (int m = 0; m < kUnits; ++m)
#pragma unroll
            for (int i = 0; i < 8; ++i) {
              add(out[m][4 * h + n + i / 4][i % 4], sums[m][i / 4][i % 4]);
            }
        }
      }
    }
  }

  __device__ void take(uint32_t queries, uint32_t keys, uint32_t values, int left, int lane) {
    score(queries, keys);
    if (left < kKeys) this->template mask<kUnits>(left, lane);
    this->template weigh<kUnits>();
    gather(values);
  }

  // `to`: the result of the tile's first query. Rows from `limit` on are not written.
  __device__ void finish(float* to, int stride, int first_row, int limit, int lane) const {
#pragma unroll
    for (int m = 0; m < kUnits; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float total = this->sum[m][r];
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 1);
        total += __shfl_xor_sync(0xFFFFFFFFu, total, 2);
        const float factor = 1.0f / total;
        const int row = first_row + m * kWarps * kUnitRows + r * 8 + (lane >> 2);
        if (row >= limit) continue;
        // Columns 2 t and 2 t + 1 of the tiles 4 h .. 4 h + 3, as gather() reads them.
        float* columns = to + row * stride + (lane & 3) * 8;
#pragma unroll
        for (int h = 0; h < D / 32; ++h) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const auto* of = out[m] + 4 * h;
            const int at = 2 * r + i;
            *reinterpret_cast<float4*>(columns + h * 32 + i * 4) = make_float4(
                of[0][at] * factor, of[1][at] * factor, of[2][at] * factor, of[3][at] * factor);
          }
        }
      }
    }
  }
};

template <int D>
constexpr uint32_t shared_bytes() {
  using Place = AttentionRows<D * sizeof(float)>;
  return Place::kQueryBytes + 4 * Place::kBytes;
}

// Block: (head, tile).
template <int D>
__global__ void __launch_bounds__(kThreads, 2)
    attend(const float* qkv, float* out, const AttentionTile* tiles, const int32_t* tile_count,
           int heads) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800  // older devices are not served
  using Place = AttentionRows<D * sizeof(float)>;
  extern __shared__ __align__(1024) unsigned char split_attention_memory[];
  if (static_cast<int>(blockIdx.y) >= *tile_count) return;
  const AttentionTile tile = tiles[blockIdx.y];
  const int lane = threadIdx.x & 31, first_row = static_cast<int>(threadIdx.x >> 5) * kUnitRows;
  const int width = heads * D, stride = 3 * width, column = static_cast<int>(blockIdx.x) * D;

  const uint32_t queries = shared_address(split_attention_memory);
  const uint32_t stages = queries + Place::kQueryBytes;  // keys, values; keys, values
  const int own_row = static_cast<int>(threadIdx.x) / Place::kPieces;
  const int own_piece = static_cast<int>(threadIdx.x) % Place::kPieces;
  const uint32_t own_place = Place::place(own_row, own_piece);
  const float* keys =
      qkv + static_cast<int64_t>(tile.key_row + own_row) * stride + width + column + own_piece * 4;
  const auto load_keys = [&](uint32_t to, int limit) {
    load_rows<float, D, kKeys, kThreads>(to + own_place, keys, stride, limit - own_row, qkv);
    load_rows<float, D, kKeys, kThreads>(to + own_place + Place::kBytes, keys + width, stride,
                                         limit - own_row, qkv);
    keys += kKeys * stride;
  };
  wait_for_predecessors();
  load_rows<float, D, kLargeAttentionRows, kThreads>(
      queries + own_place,
      qkv + static_cast<int64_t>(tile.query_row + own_row) * stride + column + own_piece * 4,
      stride, tile.queries - own_row, qkv);
  load_keys(stages, tile.keys);
  copies_commit();

  // What each lane reads of the tiles.
  const uint32_t own_queries = queries + Place::place(first_row + (lane & 15), lane >> 4);
  const uint32_t own_keys = stages + Place::place(lane & 7, lane >> 3);
  const uint32_t own_values = stages + Place::kBytes + Place::place((lane & 3) * 2, lane >> 2);
  Units<D> units;
  const bool any = tile.queries > first_row;
  uint32_t stage = 0;
  for (int left = tile.keys; left > 0; left -= kKeys) {
    copies_wait<0>();
    __syncthreads();  // everyone's copies are there, and nobody reads the other stage any more
    if (left > kKeys) {
      load_keys(stages + (2 * Place::kBytes - stage), left - kKeys);
      copies_commit();
    }
    if (any) units.take(own_queries, own_keys + stage, own_values + stage, left, lane);
    stage = 2 * Place::kBytes - stage;
  }
  const AttentionTile again = tiles[blockIdx.y];  // rather than to keep it
  units.finish(out + static_cast<int64_t>(again.out_row) * width + column, width, first_row,
               again.queries, lane);
#endif
}

template <int D>
cudaError_t launch(const AttentionCall& call, cudaStream_t on) {
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(call.max_tiles));
  return launch_dependent(attend<D>, grid, kThreads, shared_bytes<D>(), on,
                          static_cast<const float*>(call.qkv), static_cast<float*>(call.out),
                          call.tiles, call.tile_count, call.heads);
}

}  // namespace

bool split_attention_takes(int head_size) {
  return (head_size == 64 || head_size == 32) && has_fast_tensor_cores();
}

cudaError_t attend_streams_split(const AttentionCall& call, cudaStream_t on) {
  if (call.head_size == 64) return launch<64>(call, on);
  if (call.head_size == 32) return launch<32>(call, on);
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
