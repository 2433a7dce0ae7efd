// Attention of ragged rows by warpgroup products: each of a block's warpgroups has 64 queries of a
// tile, all share the keys, which come tile by tile through a ring in shared memory.
#include <type_traits>

#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/flow_attention_wide.h"
#include "cuda/kernels/flow_weights.cuh"
#include "cuda/kernels/warpgroup_mma.cuh"

namespace indextts2 {
namespace {

constexpr int kHeadSize = 64;
using Place = AttentionRows<kHeadSize>;
constexpr int kGroupRows = 64;
constexpr int kKeys = kAttentionKeys;
constexpr uint32_t kStageBytes = 2 * Place::kBytes;  // keys, values
constexpr uint32_t kTurnBytes = 1024;                // after which the layout repeats
static_assert(Place::kRowBytes == 128 && Place::kBytes % kTurnBytes == 0 &&
                  kGroupRows * Place::kRowBytes % kTurnBytes == 0,
              "operands are swizzled by 128 bytes");

// A block of threads with two groups, of which two share a multiprocessor, or with three, which
// have the registers to score a tile of keys while they weigh the one before it.
template <int kGroups>
struct Shape {
  // Tiles in the ring: one that is weighed, the one before it that may still be gathered, two that
  // come; with three groups one that is scored as well, and one more that comes.
  static constexpr int kStages = kGroups == 2 ? 4 : 6;
  static constexpr int kThreads = kGroups * 128, kRows = kGroups * kGroupRows;
  static constexpr int kBlocks = kGroups == 2 ? 2 : 1;  // a multiprocessor
  static constexpr uint32_t kQueryBytes = kRows * Place::kRowBytes;
  static constexpr size_t kSharedBytes = kQueryBytes + kStages * kStageBytes + kTurnBytes;
};
static_assert(Shape<2>::kRows == kLargeAttentionRows && Shape<3>::kRows == kLargestAttentionRows,
              "a block serves one tile");
constexpr unsigned kLoaders = 256;  // the threads that load keys

// Operand in rows of 128 bytes swizzled by 128 bytes; 8 rows (of the outer dimension, or of the
// inner one if it is transposed) take 1024 bytes. `at` is in the first of them.
__device__ inline uint64_t swizzled_operand(uint32_t at) {
  constexpr uint64_t kEightRows = kTurnBytes >> 4, kSwizzle128 = 1;
  return static_cast<uint64_t>((at & 0x3FFFFu) >> 4) | kEightRows << 16 | kEightRows << 32 |
         kSwizzle128 << 62;
}

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
  using Scores = float[kKeys / 8][4];
  // A tile of keys and values. The last products, which gather, run on.
  __device__ void take(uint32_t queries, uint32_t keys, uint32_t values, int left, int lane) {
    begin_scores(this->scores[0], queries, keys);
    products_wait<0>();  // those that gathered the tile before, too
    settle(this->scores[0]);
    settle(this->out[0]);
    begin_gather(values, left, lane);
  }

  static __device__ void begin_scores(Scores& scores, uint32_t queries, uint32_t keys) {
    products_begin();
#pragma unroll
    for (int k = 0; k < kHeadSize / 16; ++k) {
      score16(scores, swizzled_operand(queries + k * 32), swizzled_operand(keys + k * 32), k > 0,
              T());
    }
    products_commit();
  }

  // With the scores of the tile.
  __device__ void begin_gather(uint32_t values, int left, int lane) {
    if (left < kKeys) this->template mask<1>(left, lane);
    this->template weigh<1>();
    uint32_t weights[kKeys / 16][4];
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) this->pack(0, k, weights[k]);
    products_begin();
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      gather16(this->out[0], weights[k], swizzled_operand(values + k * 16 * Place::kRowBytes), T());
    }
    products_commit();
  }
};

// The same with the scores of the next tile begun before this one is weighed.
template <typename T>
struct AheadRows : GroupRows<T> {
  typename GroupRows<T>::Scores next;

  __device__ void start(uint32_t queries, uint32_t keys) {
    this->begin_scores(this->scores[0], queries, keys);
    products_wait<0>();
    settle(this->scores[0]);
  }

  // `keys`: of the tile behind the one whose `values` these are; behind the last one whatever the
  // ring holds, which is scored for nobody.
  __device__ void take(uint32_t queries, uint32_t keys, uint32_t values, int left, int lane) {
    this->begin_scores(next, queries, keys);
    this->begin_gather(values, left, lane);
    products_wait<0>();
    settle(next);
    settle(this->out[0]);
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) this->scores[0][n][i] = next[n][i];
    }
  }
};

template <int kGroups>
__device__ inline uint32_t behind(uint32_t stage) {
  return stage + kStageBytes == Shape<kGroups>::kStages * kStageBytes ? 0 : stage + kStageBytes;
}

// Copies a tile of keys and values at a time into the ring: a group of copies each, even if none
// is left.
template <typename T, int kGroups>
struct KeyLoader {
  const T* any;    // an address that may be read
  const T* keys;   // this thread's piece of the first row that it copies
  int width, row;  // that row's number in the tile
  uint32_t place;  // of that piece in the first stage
  int left;        // keys; rows behind the last are filled with zeros
  uint32_t stage = 0;

  __device__ void next() {
    const bool loads = Shape<kGroups>::kThreads == kLoaders || threadIdx.x < kLoaders;
    if (loads && left > 0) {
      const uint32_t to = place + stage;
      load_rows<T, kHeadSize, kKeys, kLoaders>(to, keys, 3 * width, left - row, any);
      load_rows<T, kHeadSize, kKeys, kLoaders>(to + Place::kBytes, keys + width, 3 * width,
                                               left - row, any);
    }
    copies_commit();
    keys += kKeys * 3 * width;
    left -= kKeys;
    stage = behind<kGroups>(stage);
  }
};

// Block: (head, tile).
template <typename T, int kGroups>
__global__ void __launch_bounds__(Shape<kGroups>::kThreads, Shape<kGroups>::kBlocks)
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
  const uint32_t stages = queries + Shape<kGroups>::kQueryBytes;
  const int own_row = static_cast<int>(threadIdx.x) / Place::kPieces;
  const int own_piece = static_cast<int>(threadIdx.x) % Place::kPieces;
  const uint32_t own_place = Place::place(own_row, own_piece);
  KeyLoader<T, kGroups> loader{
      qkv,
      qkv + static_cast<int64_t>(tile.key_row + own_row) * stride + width + column + own_piece * 8,
      width,
      own_row,
      stages + own_place,
      tile.keys};
  wait_for_predecessors();
  load_rows<T, kHeadSize, Shape<kGroups>::kRows, Shape<kGroups>::kThreads>(
      queries + own_place,
      qkv + static_cast<int64_t>(tile.query_row + own_row) * stride + column + own_piece * 8,
      stride, tile.queries - own_row, qkv);
  loader.next();
  loader.next();
  if constexpr (kGroups == 3) {
    loader.next();
    loader.next();
  }

  std::conditional_t<kGroups == 3, AheadRows<T>, GroupRows<T>> rows;
  const bool any = tile.queries > group * kGroupRows;
  const uint32_t own_queries = queries + group * kGroupRows * Place::kRowBytes;
  uint32_t stage = 0;
  if constexpr (kGroups == 3) {
    copies_wait<3>();  // all but those of the three tiles that come
    show_to_products();
    __syncthreads();
    if (any) rows.start(own_queries, stages);
  }
  for (int left = tile.keys; left > 0; left -= kKeys) {
    copies_wait<kGroups == 3 ? 2 : 1>();  // up to those of the tile that is scored
    show_to_products();
    // Everyone's copies are there, and nobody's products still use the tile two before.
    __syncthreads();
    loader.next();
    const uint32_t at = stages + stage;
    stage = behind<kGroups>(stage);
    const uint32_t scored = kGroups == 3 ? stages + stage : at;
    if (any) rows.take(own_queries, scored, at + Place::kBytes, left, lane);
  }
  products_wait<0>();
  settle(rows.out[0]);
  if (any) {
    rows.finish(out + static_cast<int64_t>(tile.out_row) * width + column, width,
                warp * (kGroupRows / 4), 0, tile.queries, lane);
  }
}

template <typename T, int kGroups>
cudaError_t launch_groups(const AttentionCall& call, cudaStream_t on) {
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(call.max_tiles));
  return launch_dependent(attend_wide<T, kGroups>, grid, Shape<kGroups>::kThreads,
                          Shape<kGroups>::kSharedBytes, on, static_cast<const T*>(call.qkv),
                          static_cast<T*>(call.out), call.tiles, call.tile_count, call.heads);
}

template <typename T>
cudaError_t launch(const AttentionCall& call, cudaStream_t on) {
  return call.tile_rows > kLargeAttentionRows ? launch_groups<T, 3>(call, on)
                                              : launch_groups<T, 2>(call, on);
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
