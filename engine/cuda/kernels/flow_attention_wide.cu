// Attention of ragged rows by warpgroup products: each of a block's warpgroups has 64 queries of a
// tile, all share the keys, which come tile by tile through a ring in shared memory.
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/flow_attention_wide.h"
#include "cuda/kernels/flow_weights.cuh"
#include "cuda/kernels/warpgroup_mma.cuh"

namespace indextts2 {
namespace {

constexpr int kHeadSize = 64;
using Place = AttentionRows<kHeadSize * 2>;
constexpr int kGroups = 2, kGroupRows = 64;
constexpr int kThreads = kGroups * 128;
constexpr int kKeys = kAttentionKeys;
// Tiles in the ring: one that is weighed, the one before it that may still be gathered, two that
// come.
constexpr int kStages = 4;
constexpr uint32_t kStageBytes = 2 * Place::kBytes;  // keys, values
constexpr size_t kSharedBytes = Place::kQueryBytes + kStages * kStageBytes + kTurnBytes;
static_assert(kLargeAttentionRows == kGroups * kGroupRows, "a block serves one tile");
static_assert(Place::kRowBytes == 128 && Place::kBytes % kTurnBytes == 0 &&
                  Place::kQueryBytes % kTurnBytes == 0,
              "operands are swizzled by 128 bytes");

#define SUMS                                                                                    \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
#define SUM4(j) "+f"(sum[j][0]), "+f"(sum[j][1]), "+f"(sum[j][2]), "+f"(sum[j][3])
#define SUM32 SUM4(0), SUM4(1), SUM4(2), SUM4(3), SUM4(4), SUM4(5), SUM4(6), SUM4(7)
#define SCORE(type)                                                        \
  asm volatile(                                                            \
      "{.reg .pred p; setp.ne.b32 p, %34, 0; "                             \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " " SUMS \
      "%32, %33, p, 1, 1, 0, 0;}"                                          \
      : SUM32                                                              \
      : "l"(a), "l"(b), "r"(more))
#define GATHER(type)                                                       \
  asm volatile(                                                            \
      "{.reg .pred p; setp.ne.b32 p, %37, 0; "                             \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " " SUMS \
      "{%32, %33, %34, %35}, %36, p, 1, 1, 1;}"                            \
      : SUM32                                                              \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(1))

// sum = a b^T over 16 features; added to what is there if `more`.
__device__ inline void score16(float (&sum)[8][4], uint64_t a, uint64_t b, int more,
                               __nv_bfloat16) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  SCORE("bf16");
#endif
}
__device__ inline void score16(float (&sum)[8][4], uint64_t a, uint64_t b, int more, __half) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  SCORE("f16");
#endif
}

// sum += a b over 16 keys.
__device__ inline void gather16(float (&sum)[8][4], const uint32_t (&a)[4], uint64_t b,
                                __nv_bfloat16) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  GATHER("bf16");
#endif
}
__device__ inline void gather16(float (&sum)[8][4], const uint32_t (&a)[4], uint64_t b, __half) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  GATHER("f16");
#endif
}

#undef SUMS
#undef SUM4
#undef SUM32
#undef SCORE
#undef GATHER

template <typename T>
struct GroupRows : WeighedRows<T, kHeadSize, 1> {
  // A tile of keys and values. The last products, which gather, run on.
  __device__ void take(uint32_t queries, uint32_t keys, uint32_t values, int left, int lane) {
    auto& scores = this->scores[0];
    auto& out = this->out[0];
    products_begin();
#pragma unroll
    for (int k = 0; k < kHeadSize / 16; ++k) {
      score16(scores, swizzled_operand(queries + k * 32), swizzled_operand(keys + k * 32), k > 0,
              T());
    }
    products_commit();
    products_wait<0>();  // those that gathered the tile before, too
    settle(scores);
    settle(out);
    if (left < kKeys) this->template mask<1>(left, lane);
    this->template weigh<1>();
    uint32_t weights[kKeys / 16][4];
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) this->pack(0, k, weights[k]);
    products_begin();
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      gather16(out, weights[k], swizzled_operand(values + k * 16 * Place::kRowBytes), T());
    }
    products_commit();
  }
};

__device__ inline uint32_t behind(uint32_t stage) {
  return stage + kStageBytes == kStages * kStageBytes ? 0 : stage + kStageBytes;
}

// Copies a tile of keys and values at a time into the ring: a group of copies each, even if none
// is left.
template <typename T>
struct KeyLoader {
  const T* any;    // an address that may be read
  const T* keys;   // this thread's piece of the first row that it copies
  int width, row;  // that row's number in the tile
  uint32_t place;  // of that piece in the first stage
  int left;        // keys; rows behind the last are filled with zeros
  uint32_t stage = 0;

  __device__ void next() {
    if (left > 0) {
      const uint32_t to = place + stage;
      load_rows<T, kHeadSize, kKeys, kThreads>(to, keys, 3 * width, left - row, any);
      load_rows<T, kHeadSize, kKeys, kThreads>(to + Place::kBytes, keys + width, 3 * width,
                                               left - row, any);
    }
    copies_commit();
    keys += kKeys * 3 * width;
    left -= kKeys;
    stage = behind(stage);
  }
};

// Block: (head, tile).
template <typename T>
__global__ void __launch_bounds__(kThreads, 2)
    attend_wide(const T* qkv, T* out, const AttentionTile* tiles, const int32_t* tile_count,
                int heads) {
  extern __shared__ unsigned char attention_memory[];
  if (static_cast<int>(blockIdx.y) >= *tile_count) return;
  const AttentionTile tile = tiles[blockIdx.y];
  const int lane = threadIdx.x & 31, warp = static_cast<int>(threadIdx.x >> 5);
  const int group = __shfl_sync(0xFFFFFFFFu, warp / 4, 0);
  const int width = heads * kHeadSize, stride = 3 * width;
  const int column = static_cast<int>(blockIdx.x) * kHeadSize;

  const auto memory = static_cast<uint32_t>(__cvta_generic_to_shared(attention_memory));
  const uint32_t queries = (memory + kTurnBytes - 1) / kTurnBytes * kTurnBytes;
  const uint32_t stages = queries + Place::kQueryBytes;
  const int own_row = static_cast<int>(threadIdx.x) / Place::kPieces;
  const int own_piece = static_cast<int>(threadIdx.x) % Place::kPieces;
  const uint32_t own_place = Place::place(own_row, own_piece);
  KeyLoader<T> loader{
      qkv,
      qkv + static_cast<int64_t>(tile.key_row + own_row) * stride + width + column + own_piece * 8,
      width,
      own_row,
      stages + own_place,
      tile.keys};
  wait_for_predecessors();
  load_rows<T, kHeadSize, kLargeAttentionRows, kThreads>(
      queries + own_place,
      qkv + static_cast<int64_t>(tile.query_row + own_row) * stride + column + own_piece * 8,
      stride, tile.queries - own_row, qkv);
  loader.next();
  loader.next();

  GroupRows<T> rows;
  const bool any = tile.queries > group * kGroupRows;
  const uint32_t own_queries = queries + group * kGroupRows * Place::kRowBytes;
  uint32_t stage = 0;
  for (int left = tile.keys; left > 0; left -= kKeys) {
    copies_wait<1>();  // all but the next tile's
    show_to_products();
    // Everyone's copies are there, and nobody's products still use the tile two before.
    __syncthreads();
    loader.next();
    const uint32_t at = stages + stage;
    if (any) rows.take(own_queries, at, at + Place::kBytes, left, lane);
    stage = behind(stage);
  }
  products_wait<0>();
  settle(rows.out[0]);
  if (any) {
    rows.finish(out + static_cast<int64_t>(tile.out_row) * width + column, width,
                warp * (kGroupRows / 4), 0, tile.queries, lane);
  }
}

template <typename T>
cudaError_t launch(const AttentionCall& call, cudaStream_t on) {
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(call.max_tiles));
  return launch_dependent(attend_wide<T>, grid, kThreads, kSharedBytes, on,
                          static_cast<const T*>(call.qkv), static_cast<T*>(call.out), call.tiles,
                          call.tile_count, call.heads);
}

}  // namespace

bool wide_attention_takes(int head_size) {
  return head_size == kHeadSize && has_warpgroup_products();
}

cudaError_t attend_streams_wide(const AttentionCall& call, cudaStream_t on) {
  if (!wide_attention_takes(call.head_size)) return cudaErrorInvalidValue;
  switch (call.type) {
    case FlowType::kBFloat16:
      return launch<__nv_bfloat16>(call, on);
    case FlowType::kFloat16:
      return launch<__half>(call, on);
    case FlowType::kFloat32:
      break;
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
