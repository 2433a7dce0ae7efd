// Products of float32 rows with float32 weights on tensor cores: Note [Floats as halves].
#include "cuda/kernels/device_code.h"
#include "cuda/kernels/float_product.h"
#include "cuda/kernels/float_product_tile.cuh"
#include "cuda/kernels/float_product_wide.h"
#include "cuda/kernels/tensor_cores.cuh"

namespace indextts2 {
namespace {

using namespace float_tiles;

constexpr int kWarpsM = 2, kTileN = 4;

// 2 x kWarpsN warps with kTileM x 4 tiles of 16 rows, 8 columns each.
template <int kTileM, int kWarpsN, int kStages, int kBlocks>
using Shape =
    Block<16 * kTileM * kWarpsM, 8 * kTileN * kWarpsN, 32 * kWarpsM * kWarpsN, kStages, kBlocks>;

template <class S>
class Tile {
 public:
  __device__ Tile(const FloatProduct& product, unsigned char* shared)
      : product_(product), ring_(product, shared), thread_(static_cast<int>(threadIdx.x)) {
    const int lane = thread_ % 32, warp = thread_ / 32;
    // Matrices of 8 rows x 16 bytes: of x (rows 0-7, 8-15) x (units 0, 1 of a step), of the
    // weights (units 0, 1) x (columns 0-7, 8-15).
    a_line_ = warp % kWarpsM * 16 * kTileM + lane % 16;
    b_line_ = S::kRows + warp / kWarpsM * 8 * kTileN + lane % 8 + lane / 16 * 8;
    a_unit_ = static_cast<uint32_t>((lane / 16) ^ (lane % 8)) << 4;
    b_unit_ = static_cast<uint32_t>((lane / 8 % 2) ^ (lane % 8)) << 4;
  }

  __device__ void run() {
    float sum[kTileM][kTileN][4] = {};
    ring_.begin();
    const int last = ring_.groups() - 1;
    for (int group = 0; group < last; ++group) {
      ring_.turn();
      multiply<true>(sum, group);
    }
    ring_.turn();
    multiply<false>(sum, last);
#pragma unroll
    for (int i = 0; i < kTileM; ++i) {
#pragma unroll
      for (int j = 0; j < kTileN; ++j) {
        store_results(product_, ring_.row() + first_row() + 16 * i,
                      ring_.column() + first_column() + 8 * j, sum[i][j]);
      }
    }
  }

 private:
  static constexpr int kTileM = S::kRows / (16 * kWarpsM);

  // Adds a group. Meanwhile splits the one behind it: its arithmetic fills the gaps between the
  // products.
  template <bool kSplits>
  __device__ void multiply(float (*sum)[kTileN][4], int group) const {
    LineSplit split = ring_.split_of(group + 1);
    if (kSplits && ring_.splits()) split.load();
    float part[kTileM][kTileN][4] = {};
    const uint32_t a_at = ring_.at(group) + static_cast<uint32_t>(a_line_ * kRowBytes);
    const uint32_t b_at = ring_.at(group) + static_cast<uint32_t>(b_line_ * kRowBytes);
#pragma unroll
    for (int step = 0; step < 2; ++step) {
      const uint32_t at = static_cast<uint32_t>(step * 32);
      uint32_t high[4 * kTileM], low[4 * kTileM];
#pragma unroll
      for (int i = 0; i < kTileM; ++i) {
        const auto tile = static_cast<uint32_t>(i * 16 * kRowBytes);
        load_matrices4(a_at + (a_unit_ ^ at) + tile, high + 4 * i);
        load_matrices4(a_at + (a_unit_ ^ at ^ 64) + tile, low + 4 * i);
      }
#pragma unroll
      for (int j = 0; j < kTileN; j += 2) {
        const auto tile = static_cast<uint32_t>(j * 8 * kRowBytes);
        uint32_t b_high[4], b_low[4];
        load_matrices4(b_at + (b_unit_ ^ at) + tile, b_high);
        load_matrices4(b_at + (b_unit_ ^ at ^ 64) + tile, b_low);
        add_products(part, j, low, b_high);
        add_products(part, j, high, b_low);
        add_products(part, j, high, b_high);
        if (!kSplits || !ring_.splits()) continue;
        if (step + j == 0) ring_.reciprocals(group + 1)[thread_] = split.find_scale();
        split.store(2 * step + j / 2);
      }
    }
    add_part(sum, part, ring_.reciprocals(group));
  }

  // Of all tiles of rows with two of columns.
  static __device__ void add_products(float (*part)[kTileN][4], int j, const uint32_t* a,
                                      const uint32_t* b) {
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
#pragma unroll
      for (int i = 0; i < kTileM; ++i) {
        multiply16x8<__half>(part[i][j + pair], a + 4 * i, b + 2 * pair);
      }
    }
  }

  __device__ void add_part(float (*sum)[kTileN][4], const float (*part)[kTileN][4],
                           const float* reciprocals) const {
    float2 of_column[kTileN];
#pragma unroll
    for (int j = 0; j < kTileN; ++j) {
      of_column[j] =
          *reinterpret_cast<const float2*>(reciprocals + S::kRows + first_column() + 8 * j);
    }
#pragma unroll
    for (int i = 0; i < kTileM; ++i) {
      const float* const of_rows = reciprocals + first_row() + 16 * i;
#pragma unroll
      for (int j = 0; j < kTileN; ++j) {
        add_scaled(sum[i][j], part[i][j], of_rows[0], of_rows[8], of_column[j]);
      }
    }
  }

  // This thread's first result in the block's tile.
  __device__ int first_row() const {
    return thread_ / 32 % kWarpsM * 16 * kTileM + thread_ % 32 / 4;
  }
  __device__ int first_column() const {
    return thread_ / 32 / kWarpsM * 8 * kTileN + thread_ % 4 * 2;
  }

  const FloatProduct& product_;
  Ring<S> ring_;
  int thread_;
  int a_line_, b_line_;
  uint32_t a_unit_, b_unit_;
};

template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    tiles(const __grid_constant__ FloatProduct product) {
#if __CUDA_ARCH__ >= 800
  extern __shared__ __align__(128) unsigned char shared[];
  Tile<S>(product, shared).run();
#endif
}

using Of128 = Shape<4, 4, 4, 1>;
using Of96 = Shape<3, 4, 4, 1>;
using Of64 = Shape<2, 2, 4, 3>;

template <class S>
cudaError_t prepare() {
  return cudaFuncSetAttribute(tiles<S>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              S::kSharedBytes);
}

template <class S>
cudaError_t launch(const FloatProduct& product, cudaStream_t stream) {
  tiles<S><<<grid_of<S>(product), S::kThreads, S::kSharedBytes, stream>>>(product);
  return cudaGetLastError();
}

// Of the current device.
int count_multiprocessors() {
  int device = 0, count = 1;
  if (cudaGetDevice(&device) != cudaSuccess) return count;
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return count;
}

FloatTile fastest(const FloatProduct& product) {
  const int multiprocessors = count_multiprocessors();
  // In times of a block of the largest tiles, by bench_products on an H100.
  const double large = time_of<Of128>(product, multiprocessors, 1.0, 0.0),
               middle = time_of<Of96>(product, multiprocessors, 0.9, 0.0),
               small = time_of<Of64>(product, multiprocessors, 0.42, 0.24);
  if (small < large && small < middle) return FloatTile::k64x64;
  return middle < large ? FloatTile::k96x128 : FloatTile::k128x128;
}

}  // namespace

bool float_product_takes(int64_t in, int64_t out) {
  return in > 0 && out > 0 && in % 4 == 0 && out % 4 == 0 && has_fast_tensor_cores();
}

bool float_tile_fits(FloatTile tile) { return !is_wide(tile) || wide_runs(); }

cudaError_t prepare_float_products() {
  if (!has_fast_tensor_cores()) return cudaErrorNoKernelImageForDevice;
  cudaError_t status = prepare<Of64>();
  if (status == cudaSuccess) status = prepare<Of128>();
  if (status == cudaSuccess) status = prepare<Of96>();
  return status == cudaSuccess && wide_runs() ? prepare_wide() : status;
}

cudaError_t float_product(const FloatProduct& product, cudaStream_t stream, FloatTile tile) {
  if (product.in <= 0 || product.in % 4 != 0 || product.out <= 0 || product.out % 4 != 0) {
    return cudaErrorInvalidValue;
  }
  if (product.rows == 0) return cudaSuccess;
  if (tile == FloatTile::kFastestWide) {
    tile = wide_runs() ? fastest_wide(product, count_multiprocessors()) : FloatTile::kFastest;
  }
  if (tile == FloatTile::kFastest) tile = fastest(product);
  if (is_wide(tile)) return run_wide(product, tile, stream);
  switch (tile) {
    case FloatTile::k64x64:
      return launch<Of64>(product, stream);
    case FloatTile::k96x128:
      return launch<Of96>(product, stream);
    default:
      return launch<Of128>(product, stream);
  }
}

}  // namespace indextts2
