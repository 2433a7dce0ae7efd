// Products of float32 rows with float32 weights on tensor cores: Note [Floats as halves].
#include <cuda_fp16.h>

#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/device_code.h"
#include "cuda/kernels/float_product.h"
#include "cuda/kernels/tensor_cores.cuh"

namespace indextts2 {
namespace {

constexpr int kGroup = 32, kRowBytes = 4 * kGroup, kUnits = kRowBytes / 16;
constexpr int kWarpsM = 2, kTileN = 4;

// 2 x kWarpsN warps with kTileM x 4 tiles of 16 rows, 8 columns each. kStages of the ring: one is
// multiplied, one split, the others come. kBlocks: wanted per multiprocessor.
template <int kTileM_, int kWarpsN_, int kStages_, int kBlocks_>
struct Shape {
  static constexpr int kTileM = kTileM_, kWarpsN = kWarpsN_;
  static constexpr int kStages = kStages_, kBlocks = kBlocks_;
  static constexpr int kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kRows = 16 * kTileM * kWarpsM, kColumns = 8 * kTileN * kWarpsN;
  static constexpr int kLines = kRows + kColumns;  // of a stage: rows of x, then of the weights
  static constexpr int kStageBytes = kLines * kRowBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes + 2 * kLines * 4;
  static_assert(kLines <= kThreads, "a thread splits one line");
  static_assert(kRows % (kThreads / kUnits) == 0 && kColumns % (kThreads / kUnits) == 0,
                "a thread copies the same unit of each line");
};

// A line of a stage: 8 units of 16 bytes, unit u at u ^ (line % 8), so that 8 lines' units lie in
// different banks. At first its floats; after the split four units of high halves, four of low.
class LineSplit {
 public:
  __device__ LineSplit(unsigned char* line, int turn) : line_(line), turn_(turn) {}

  __device__ void load() {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const float4 four = *reinterpret_cast<const float4*>(unit(u));
      value_[4 * u] = four.x;
      value_[4 * u + 1] = four.y;
      value_[4 * u + 2] = four.z;
      value_[4 * u + 3] = four.w;
    }
  }

  // Returns the reciprocal of the scale.
  __device__ float find_scale() {
    float most[4] = {};
#pragma unroll
    for (int i = 0; i < kGroup; ++i) most[i % 4] = fmaxf(most[i % 4], fabsf(value_[i]));
    const float largest = fmaxf(fmaxf(most[0], most[1]), fmaxf(most[2], most[3]));
    // The least exponent is that for which the reciprocal is no denormal.
    const int exponent = max(__float_as_int(largest) >> 23, 15);
    scale_ = __int_as_float((127 + 14 + 127 - exponent) << 23);
    return __int_as_float((exponent - 14) << 23);
  }

  // Values 8 i .. 8 i + 7.
  __device__ void store(int i) {
    uint32_t high[4], low[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float a = value_[8 * i + 2 * k] * scale_, b = value_[8 * i + 2 * k + 1] * scale_;
      const __half2 rounded = __floats2half2_rn(a, b);
      const float2 there = __half22float2(rounded);
      high[k] = bits_of(rounded);
      low[k] = bits_of(__floats2half2_rn(a - there.x, b - there.y));
    }
    *reinterpret_cast<uint4*>(unit(i)) = make_uint4(high[0], high[1], high[2], high[3]);
    *reinterpret_cast<uint4*>(unit(kUnits / 2 + i)) = make_uint4(low[0], low[1], low[2], low[3]);
  }

 private:
  static __device__ uint32_t bits_of(__half2 x) { return *reinterpret_cast<const uint32_t*>(&x); }
  __device__ unsigned char* unit(int u) const { return line_ + ((u ^ turn_) << 4); }

  unsigned char* line_;
  int turn_;
  float value_[kGroup];
  float scale_;
};

template <class S>
class Tile {
 public:
  __device__ Tile(const FloatProduct& product, unsigned char* shared)
      : product_(product),
        shared_(shared),
        ring_(shared_address(shared)),
        reciprocals_(reinterpret_cast<float*>(shared + kStages * S::kStageBytes)),
        thread_(static_cast<int>(threadIdx.x)),
        row_(static_cast<int>(blockIdx.x) * S::kRows),
        column_(static_cast<int>(blockIdx.y) * S::kColumns),
        in_(static_cast<int>(product.in)),
        groups_((in_ + kGroup - 1) / kGroup) {
    const int lane = thread_ % 32, warp = thread_ / 32;
    // Matrices of 8 rows x 16 bytes: of x (rows 0-7, 8-15) x (units 0, 1 of a step), of the
    // weights (units 0, 1) x (columns 0-7, 8-15).
    a_line_ = warp % kWarpsM * 16 * S::kTileM + lane % 16;
    b_line_ = S::kRows + warp / kWarpsM * 8 * kTileN + lane % 8 + lane / 16 * 8;
    a_unit_ = static_cast<uint32_t>((lane / 16) ^ (lane % 8)) << 4;
    b_unit_ = static_cast<uint32_t>((lane / 8 % 2) ^ (lane % 8)) << 4;
  }

  __device__ void run() {
    float sum[S::kTileM][kTileN][4] = {};
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) load_next();
    copies_wait<kStages - 2>();
    __syncthreads();
    LineSplit first = split_of(0);
    if (splits()) {
      first.load();
      reciprocals_[thread_] = first.find_scale();
#pragma unroll
      for (int i = 0; i < 4; ++i) first.store(i);
    }
    int slot = 0;
    for (int group = 0; group < groups_; ++group) {
      copies_wait<kStages - 3>();
      // Everybody has split this group, sees the next one's floats, and is done with the one
      // before, whose slot load_next() fills.
      __syncthreads();
      load_next();
      const int next = slot + 1 == kStages ? 0 : slot + 1;
      if (group + 1 < groups_) {
        multiply<true>(sum, slot, next, group % 2);
      } else {
        multiply<false>(sum, slot, next, group % 2);
      }
      slot = next;
    }
    store(sum);
  }

 private:
  static constexpr int kStages = S::kStages;
  static constexpr int kCopyLines = S::kThreads / kUnits;

  __device__ bool splits() const { return S::kLines == S::kThreads || thread_ < S::kLines; }

  __device__ LineSplit split_of(int slot) const {
    return {shared_ + slot * S::kStageBytes + thread_ * kRowBytes, thread_ % 8};
  }

  // The next group's floats; zeros behind the inner dimension, any row behind the last.
  __device__ void load_next() {
    if (load_group_ < groups_) {
      const int line = thread_ / kUnits, unit = thread_ % kUnits;
      const int k = load_group_ * kGroup + 4 * unit;
      const bool there = k < in_;
      const uint32_t to =
          ring_ + static_cast<uint32_t>(load_slot_ * S::kStageBytes + line * kRowBytes +
                                        ((unit ^ (line % 8)) << 4));
      copy_lines<S::kRows>(to, product_.x + (there ? k : 0), product_.x_stride, row_ + line,
                           product_.rows, there);
      copy_lines<S::kColumns>(to + S::kRows * kRowBytes, product_.weight + (there ? k : 0), in_,
                              column_ + line, product_.out, there);
      load_slot_ = load_slot_ + 1 == kStages ? 0 : load_slot_ + 1;
      ++load_group_;
    }
    copies_commit();
  }

  // A unit of every kCopyLines-th line of a matrix from `line` on.
  template <int kLines>
  static __device__ void copy_lines(uint32_t to, const float* from, int64_t stride, int line,
                                    int64_t lines, bool there) {
    const int pitch = static_cast<int>(stride) * 4, last = static_cast<int>(lines) - 1;
#pragma unroll
    for (int i = 0; i < kLines; i += kCopyLines) {
      const int64_t at = static_cast<int64_t>(min(line + i, last)) * pitch;
      copy16(to + static_cast<uint32_t>(i * kRowBytes),
             reinterpret_cast<const unsigned char*>(from) + at, there);
    }
  }

  // Adds the group in `slot`. Meanwhile splits the one in `next`, if there is one: its arithmetic
  // fills the gaps between the products.
  template <bool kSplits>
  __device__ void multiply(float (*sum)[kTileN][4], int slot, int next, int buffer) const {
    LineSplit split = split_of(next);
    if (kSplits && splits()) split.load();
    float part[S::kTileM][kTileN][4] = {};
    const uint32_t stage = ring_ + static_cast<uint32_t>(slot * S::kStageBytes);
    const uint32_t a_at = stage + static_cast<uint32_t>(a_line_ * kRowBytes);
    const uint32_t b_at = stage + static_cast<uint32_t>(b_line_ * kRowBytes);
#pragma unroll
    for (int step = 0; step < 2; ++step) {
      const uint32_t at = static_cast<uint32_t>(step * 32);
      uint32_t high[4 * S::kTileM], low[4 * S::kTileM];
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) {
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
        if (!kSplits || !splits()) continue;
        if (step + j == 0) {
          reciprocals_[(1 - buffer) * S::kLines + thread_] = split.find_scale();
        }
        split.store(2 * step + j / 2);
      }
    }
    add_part(sum, part, reciprocals_ + buffer * S::kLines);
  }

  // Of all tiles of rows with two of columns.
  static __device__ void add_products(float (*part)[kTileN][4], int j, const uint32_t* a,
                                      const uint32_t* b) {
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) {
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
    for (int i = 0; i < S::kTileM; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float of_row = reciprocals[first_row() + 16 * i + 8 * half];
#pragma unroll
        for (int j = 0; j < kTileN; ++j) {
          float* const to = sum[i][j] + 2 * half;
          const float* const from = part[i][j] + 2 * half;
          to[0] = fmaf(from[0], of_row * of_column[j].x, to[0]);
          to[1] = fmaf(from[1], of_row * of_column[j].y, to[1]);
        }
      }
    }
  }

  // This thread's first result in the block's tile.
  __device__ int first_row() const {
    return thread_ / 32 % kWarpsM * 16 * S::kTileM + thread_ % 32 / 4;
  }
  __device__ int first_column() const {
    return thread_ / 32 / kWarpsM * 8 * kTileN + thread_ % 4 * 2;
  }

  __device__ void store(const float (*sum)[kTileN][4]) const {
#pragma unroll
    for (int j = 0; j < kTileN; ++j) {
      const int column = column_ + first_column() + 8 * j;
      if (column >= product_.out) continue;
      float2 bias = make_float2(0.0f, 0.0f);
      if (product_.bias != nullptr) {
        bias = *reinterpret_cast<const float2*>(product_.bias + column);
      }
#pragma unroll
      for (int i = 0; i < 2 * S::kTileM; ++i) {
        const int64_t row = int64_t{row_} + first_row() + 8 * i;
        if (row >= product_.rows) continue;
        const float* const pair = sum[i / 2][j] + i % 2 * 2;
        float2 y = make_float2(pair[0] + bias.x, pair[1] + bias.y);
        if (product_.add != nullptr) {
          const float2 more =
              *reinterpret_cast<const float2*>(product_.add + row * product_.add_stride + column);
          y = make_float2(y.x + more.x, y.y + more.y);
        }
        *reinterpret_cast<float2*>(product_.y + row * product_.y_stride + column) = y;
      }
    }
  }

  const FloatProduct& product_;
  unsigned char* shared_;
  uint32_t ring_;
  float* reciprocals_;  // of the scales of two groups' lines
  int thread_;
  int row_, column_, in_, groups_;
  int a_line_, b_line_;
  uint32_t a_unit_, b_unit_;
  int load_group_ = 0, load_slot_ = 0;
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
using Near128 = Shape<4, 4, 3, 1>;  // where a block may have 99 KiB of shared memory
using Of96 = Shape<3, 4, 4, 1>;
using Of64 = Shape<2, 2, 4, 3>;

template <class S>
int64_t tiles_of(const FloatProduct& product) {
  return (product.rows + S::kRows - 1) / S::kRows * ((product.out + S::kColumns - 1) / S::kColumns);
}

// In the time of one round of the largest tiles, of which `round` run at once.
template <class S>
double cost(const FloatProduct& product, int multiprocessors, double round) {
  const int64_t at_once = int64_t{S::kBlocks} * multiprocessors;
  return round * static_cast<double>((tiles_of<S>(product) + at_once - 1) / at_once);
}

template <class S>
cudaError_t prepare() {
  return cudaFuncSetAttribute(tiles<S>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              S::kSharedBytes);
}

template <class S>
cudaError_t launch(const FloatProduct& product, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>((product.rows + S::kRows - 1) / S::kRows),
                  static_cast<unsigned>((product.out + S::kColumns - 1) / S::kColumns));
  tiles<S><<<grid, S::kThreads, S::kSharedBytes, stream>>>(product);
  return cudaGetLastError();
}

// How many multiprocessors the current device has and how much shared memory a block may have.
struct Room {
  int multiprocessors = 1, shared_bytes = 0;
};

Room room_of_device() {
  Room room;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return room;
  cudaDeviceGetAttribute(&room.multiprocessors, cudaDevAttrMultiProcessorCount, device);
  cudaDeviceGetAttribute(&room.shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  return room;
}

FloatTile fastest(const FloatProduct& product) {
  const Room room = room_of_device();
  if (room.shared_bytes < Of128::kSharedBytes) return FloatTile::k128x128Near;
  const double large = cost<Of128>(product, room.multiprocessors, 1.0),
               middle = cost<Of96>(product, room.multiprocessors, 0.8),
               small = cost<Of64>(product, room.multiprocessors, 1.25);
  if (small < large && small < middle) return FloatTile::k64x64;
  return middle < large ? FloatTile::k96x128 : FloatTile::k128x128;
}

}  // namespace

bool float_product_takes(int64_t in, int64_t out) {
  return in > 0 && out > 0 && in % 4 == 0 && out % 4 == 0 && has_device_code(80);
}

bool float_tile_fits(FloatTile tile) {
  return (tile != FloatTile::k128x128 && tile != FloatTile::k96x128) ||
         room_of_device().shared_bytes >= Of128::kSharedBytes;
}

cudaError_t prepare_float_products() {
  if (!has_device_code(80)) return cudaErrorNoKernelImageForDevice;
  cudaError_t status = prepare<Near128>();
  if (status == cudaSuccess) status = prepare<Of64>();
  if (status != cudaSuccess || !float_tile_fits(FloatTile::k128x128)) return status;
  status = prepare<Of128>();
  return status == cudaSuccess ? prepare<Of96>() : status;
}

cudaError_t float_product(const FloatProduct& product, cudaStream_t stream, FloatTile tile) {
  if (product.in <= 0 || product.in % 4 != 0 || product.out <= 0 || product.out % 4 != 0) {
    return cudaErrorInvalidValue;
  }
  if (product.rows == 0) return cudaSuccess;
  switch (tile == FloatTile::kFastest ? fastest(product) : tile) {
    case FloatTile::k64x64:
      return launch<Of64>(product, stream);
    case FloatTile::k128x128Near:
      return launch<Near128>(product, stream);
    case FloatTile::k96x128:
      return launch<Of96>(product, stream);
    default:
      return launch<Of128>(product, stream);
  }
}

}  // namespace indextts2
