// Attention of ragged rows on the tensor cores: keys in tiles of 64 from the stream's first on, one
// running maximum and sum a row, so that no row depends on who lies beside it.
#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_attention_split.h"
#include "cuda/kernels/flow_attention_wide.h"
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
constexpr int kUnits = 2;      // of a warp at most: each fragment of keys serves both
static_assert(kLargeAttentionRows <= kWarps * kUnits * kUnitRows &&
                  kAttentionRows <= kLargeAttentionRows,
              "a block serves one tile");

// One warp's units of 16 rows, `kWarps` units apart. The queries stay in shared memory: three
// blocks of an SM leave 168 registers.
template <typename T, int D>
struct Units : WeighedRows<T, D, kUnits> {
  using Place = AttentionRows<D * sizeof(T)>;
  using Base = WeighedRows<T, D, kUnits>;
  using Base::kColumns, Base::out, Base::scores;
  static constexpr int kSteps = D / 16;
  static constexpr uint32_t kApart = kWarps * kUnitRows * Place::kRowBytes;

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
          multiply16x8<T>(scores[m][n], q[m], b);
          multiply16x8<T>(scores[m][n + 1], q[m], b + 2);
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
      for (int m = 0; m < Count; ++m) this->pack(m, k, a[m]);
#pragma unroll
      for (int d = 0; d < kColumns; d += 2) {
        uint32_t b[4];
        load_transposed4((values ^ (d * 16)) + k * 16 * Place::kRowBytes, b);
#pragma unroll
        for (int m = 0; m < Count; ++m) {
          multiply16x8<T>(out[m][d], a[m], b);
          multiply16x8<T>(out[m][d + 1], a[m], b + 2);
        }
      }
    }
  }

  template <int Count>
  __device__ void take(uint32_t queries, uint32_t keys, uint32_t values, int left, int lane) {
    score<Count>(queries, keys);
    if (left < kKeys) this->template mask<Count>(left, lane);
    this->template weigh<Count>();
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
  using Place = AttentionRows<D * sizeof(T)>;
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
    load_rows<T, D, kKeys, kThreads>(to + own_place, keys, stride, limit - own_row, qkv);
    load_rows<T, D, kKeys, kThreads>(to + own_place + Place::kBytes, keys + width, stride,
                                     limit - own_row, qkv);
    keys += kKeys * stride;
  };
  wait_for_predecessors();
  load_rows<T, D, kLargeAttentionRows, kThreads>(
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
               kWarps * kUnitRows, again.queries, lane);
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

int attention_tile_rows(FlowType type, int heads, int head_size, int64_t rows) {
  constexpr int64_t kRounds = 6;
  if (type == FlowType::kFloat32) {
    return split_attention_takes(head_size) ? kLargeAttentionRows : kAttentionRows;
  }
  if (wide_attention_takes(head_size)) return kLargeAttentionRows;
  int device = 0, processors = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return kAttentionRows;
  if (cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) {
    return kAttentionRows;
  }
  const bool large = rows * heads >= kRounds * processors * kLargeAttentionRows;
  return large ? kLargeAttentionRows : kAttentionRows;
}

cudaError_t attend_streams(const AttentionCall& call, cudaStream_t on) {
  const bool wide = call.type != FlowType::kFloat32 && wide_attention_takes(call.head_size);
  if (wide) return attend_streams_wide(call, on);
  switch (call.type) {
    case FlowType::kFloat32:
      return split_attention_takes(call.head_size) ? attend_streams_split(call, on)
                                                   : attend_streams_float(call, on);
    case FlowType::kBFloat16:
      return launch<__nv_bfloat16>(call, on);
    case FlowType::kFloat16:
      return launch<__half>(call, on);
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
