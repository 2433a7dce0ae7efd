// Products of float32 by warpgroup products: Note [Floats as halves]. While those of a group run,
// the next group is split.
#include "cuda/kernels/float_product_tile.cuh"
#include "cuda/kernels/float_product_wide.h"
#include "cuda/kernels/warpgroup_mma.cuh"

namespace indextts2 {
namespace float_tiles {
namespace {

// kGroups warpgroups of 64 rows.
template <int kGroups, int kColumns, int kStages, int kBlocks>
struct WideShape : Block<64 * kGroups, kColumns, 128 * kGroups, kStages, kBlocks> {
  using B = Block<64 * kGroups, kColumns, 128 * kGroups, kStages, kBlocks>;
  static_assert(B::kStageBytes % kTurnBytes == 0, "operands are swizzled by 128 bytes");
  static constexpr int kWideBytes = B::kSharedBytes + kTurnBytes;
};

template <class S>
class WideTile {
 public:
  __device__ WideTile(const FloatProduct& product, unsigned char* shared)
      : product_(product),
        ring_(product, shared),
        thread_(static_cast<int>(threadIdx.x)),
        lane_(thread_ % 32),
        // The same in a warp, and known to be.
        group_(__shfl_sync(0xFFFFFFFFu, thread_ / 128, 0)) {}

  __device__ void run() {
    float sum[kTiles][4] = {};
    ring_.begin();
    for (int group = 0; group < ring_.groups(); ++group) {
      show_to_products();  // the halves that this thread wrote
      ring_.turn();
      float part[kTiles][4];  // defined by the first product
      products_begin();
      multiply(part, ring_.at(group));
      products_commit();
      if (group + 1 < ring_.groups() && ring_.splits()) split(group + 1);
      products_wait<0>();
      settle(part);
      add_part(sum, part, ring_.reciprocals(group));
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      store_results(product_, ring_.row() + first_row(), ring_.column() + first_column() + 8 * j,
                    sum[j]);
    }
  }

 private:
  static constexpr int kTiles = S::kColumns / 8;

  // A unit of 16 numbers after the other: low high, high low, high high. Low halves lie 64 bytes
  // behind the high ones.
  __device__ void multiply(float (&part)[kTiles][4], uint32_t stage) const {
    const uint32_t a = stage + static_cast<uint32_t>(group_ * 64 * kRowBytes);
    const uint32_t b = stage + static_cast<uint32_t>(S::kRows * kRowBytes);
#pragma unroll
    for (uint32_t at = 0; at < 64; at += 32) {
      const uint64_t high = swizzled_operand(a + at), low = swizzled_operand(a + at + 64);
      const uint64_t b_high = swizzled_operand(b + at), b_low = swizzled_operand(b + at + 64);
      WarpgroupProduct<S::kColumns>::add(part, low, b_high, at > 0);
      WarpgroupProduct<S::kColumns>::add(part, high, b_low, 1);
      WarpgroupProduct<S::kColumns>::add(part, high, b_high, 1);
    }
  }

  __device__ void split(int group) const {
    LineSplit line = ring_.split_of(group);
    line.load();
    ring_.reciprocals(group)[thread_] = line.find_scale();
#pragma unroll
    for (int i = 0; i < kUnits / 2; ++i) line.store(i);
  }

  __device__ void add_part(float (&sum)[kTiles][4], const float (&part)[kTiles][4],
                           const float* reciprocals) const {
    const float of_row = reciprocals[first_row()], of_eighth = reciprocals[first_row() + 8];
    const float* const of_columns = reciprocals + S::kRows + first_column();
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      add_scaled(sum[j], part[j], of_row, of_eighth,
                 *reinterpret_cast<const float2*>(of_columns + 8 * j));
    }
  }

  // This thread's first result in the block's tile.
  __device__ int first_row() const { return thread_ / 32 * 16 + lane_ / 4; }
  __device__ int first_column() const { return lane_ % 4 * 2; }

  const FloatProduct& product_;
  Ring<S> ring_;
  int thread_, lane_, group_;
};

template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    wide_tiles(const __grid_constant__ FloatProduct product) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(128) unsigned char shared[];
  const uint32_t past = shared_address(shared) % kTurnBytes;
  WideTile<S>(product, shared + (past == 0 ? 0 : kTurnBytes - past)).run();
#endif
}

using Of128x128 = WideShape<2, 128, 4, 1>;
using Of64x64 = WideShape<1, 64, 4, 3>;

template <class S>
cudaError_t prepare() {
  return cudaFuncSetAttribute(wide_tiles<S>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              S::kWideBytes);
}

template <class S>
cudaError_t launch(const FloatProduct& product, cudaStream_t stream) {
  wide_tiles<S><<<grid_of<S>(product), S::kThreads, S::kWideBytes, stream>>>(product);
  return cudaGetLastError();
}

}  // namespace

bool wide_runs() { return has_warpgroup_products(); }

cudaError_t prepare_wide() {
  cudaError_t status = prepare<Of128x128>();
  return status == cudaSuccess ? prepare<Of64x64>() : status;
}

FloatTile fastest_wide(const FloatProduct& product, int multiprocessors) {
  // In times of a block of the largest tiles, by bench_products on an H100.
  const double large = time_of<Of128x128>(product, multiprocessors, 1.0, 0.0),
               small = time_of<Of64x64>(product, multiprocessors, 0.36, 0.33);
  return small < large ? FloatTile::kWide64x64 : FloatTile::kWide128x128;
}

cudaError_t run_wide(const FloatProduct& product, FloatTile tile, cudaStream_t stream) {
  switch (tile) {
    case FloatTile::kWide128x128:
      return launch<Of128x128>(product, stream);
    case FloatTile::kWide64x64:
      return launch<Of64x64>(product, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace float_tiles
}  // namespace indextts2
