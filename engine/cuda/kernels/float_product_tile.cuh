// What the kernels of float_product.h share: groups of x and of the weights come into a ring in
// shared memory as floats and become halves there, Note [Floats as halves].
#pragma once

#include <cuda_fp16.h>

#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/float_product.h"

namespace indextts2 {
namespace float_tiles {

constexpr int kGroup = 32, kRowBytes = 4 * kGroup, kUnits = kRowBytes / 16;

// A block of threads makes kRows x kColumns results. kStages of the ring: one is multiplied, one
// split, the others come. kBlocks: wanted per multiprocessor.
template <int kRows_, int kColumns_, int kThreads_, int kStages_, int kBlocks_>
struct Block {
  static constexpr int kRows = kRows_, kColumns = kColumns_, kThreads = kThreads_;
  static constexpr int kStages = kStages_, kBlocks = kBlocks_;
  static constexpr int kLines = kRows + kColumns;  // of a stage: rows of x, then of the weights
  static constexpr int kStageBytes = kLines * kRowBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes + 2 * kLines * 4;
  static constexpr int kCopyLines = kThreads / kUnits;
  static_assert(kLines <= kThreads, "a thread splits one line");
  static_assert(kRows % kCopyLines == 0 && kColumns % kCopyLines == 0 && kCopyLines % 8 == 0,
                "a thread copies the same unit of each line, to the same place in it");
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

// The ring. `shared`: S::kSharedBytes, a multiple of 16.
template <class S>
class Ring {
 public:
  __device__ Ring(const FloatProduct& product, unsigned char* shared)
      : product_(product), shared_(shared), thread_(static_cast<int>(threadIdx.x)) {}

  __device__ int groups() const { return (in() + kGroup - 1) / kGroup; }
  // Of the block's first result.
  __device__ int row() const { return static_cast<int>(blockIdx.x) * S::kRows; }
  __device__ int column() const { return static_cast<int>(blockIdx.y) * S::kColumns; }
  // Address of a group's stage.
  __device__ uint32_t at(int group) const {
    return shared_address(shared_) + static_cast<uint32_t>(group % S::kStages * S::kStageBytes);
  }
  // Of the scales of a group's lines, until the second group behind it is split.
  __device__ float* reciprocals(int group) const {
    return reinterpret_cast<float*>(shared_ + S::kStages * S::kStageBytes) + group % 2 * S::kLines;
  }
  // Whether this thread has a line to split, and that line.
  __device__ bool splits() const { return S::kLines == S::kThreads || thread_ < S::kLines; }
  __device__ LineSplit split_of(int group) const {
    return {shared_ + group % S::kStages * S::kStageBytes + thread_ * kRowBytes, thread_ % 8};
  }

  // Loads the first groups and splits the first.
  __device__ void begin() {
#pragma unroll
    for (int i = 0; i < S::kStages - 1; ++i) load_next();
    copies_wait<S::kStages - 2>();
    __syncthreads();
    if (!splits()) return;
    LineSplit first = split_of(0);
    first.load();
    reciprocals(0)[thread_] = first.find_scale();
#pragma unroll
    for (int i = 0; i < kUnits / 2; ++i) first.store(i);
  }

  // Before a group is multiplied: everybody has split it, sees the next one's floats, and is done
  // with the one before, whose slot is filled anew.
  __device__ void turn() {
    copies_wait<S::kStages - 3>();
    __syncthreads();
    load_next();
  }

 private:
  __device__ int in() const { return static_cast<int>(product_.in); }

  // The next group's floats; zeros behind the inner dimension, any row behind the last.
  __device__ void load_next() {
    if (loaded_ < groups()) {
      const int line = thread_ / kUnits, unit = thread_ % kUnits;
      const int k = loaded_ * kGroup + 4 * unit;
      const bool there = k < in();
      const uint32_t to =
          at(loaded_) + static_cast<uint32_t>(line * kRowBytes + ((unit ^ (line % 8)) << 4));
      copy_lines<S::kRows>(to, product_.x + (there ? k : 0), product_.x_stride, row() + line,
                           product_.rows, there);
      copy_lines<S::kColumns>(to + S::kRows * kRowBytes, product_.weight + (there ? k : 0),
                              product_.in, column() + line, product_.out, there);
      ++loaded_;
    }
    copies_commit();
  }

  // A unit of every kCopyLines-th line of a matrix from `line` on.
  template <int kLines>
  static __device__ void copy_lines(uint32_t to, const float* from, int64_t stride, int line,
                                    int64_t lines, bool there) {
    const int pitch = static_cast<int>(stride) * 4, last = static_cast<int>(lines) - 1;
#pragma unroll
    for (int i = 0; i < kLines; i += S::kCopyLines) {
      const int64_t at = static_cast<int64_t>(min(line + i, last)) * pitch;
      copy16(to + static_cast<uint32_t>(i * kRowBytes),
             reinterpret_cast<const unsigned char*>(from) + at, there);
    }
  }

  const FloatProduct& product_;
  unsigned char* shared_;
  int thread_, loaded_ = 0;  // groups
};

// Four results as a 16 x 8 product leaves them: two of a row, two of the eighth below.
__device__ inline void add_scaled(float* sum, const float* part, float of_row, float of_eighth,
                                  float2 of_column) {
  sum[0] = fmaf(part[0], of_row * of_column.x, sum[0]);
  sum[1] = fmaf(part[1], of_row * of_column.y, sum[1]);
  sum[2] = fmaf(part[2], of_eighth * of_column.x, sum[2]);
  sum[3] = fmaf(part[3], of_eighth * of_column.y, sum[3]);
}

__device__ inline void store_results(const FloatProduct& product, int first_row, int column,
                                     const float* sum) {
  if (column >= product.out) return;
  float2 bias = make_float2(0.0f, 0.0f);
  if (product.bias != nullptr) bias = *reinterpret_cast<const float2*>(product.bias + column);
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int64_t row = int64_t{first_row} + 8 * i;
    if (row >= product.rows) continue;
    float2 y = make_float2(sum[2 * i] + bias.x, sum[2 * i + 1] + bias.y);
    if (product.add != nullptr) {
      const float2 more =
          *reinterpret_cast<const float2*>(product.add + row * product.add_stride + column);
      y = make_float2(y.x + more.x, y.y + more.y);
    }
    *reinterpret_cast<float2*>(product.y + row * product.y_stride + column) = y;
  }
}

// About how long a product takes: a block alone on its multiprocessor `alone`, each more beside it
// `more`.
template <class S>
double time_of(const FloatProduct& product, int multiprocessors, double alone, double more) {
  const int64_t tiles =
      (product.rows + S::kRows - 1) / S::kRows * ((product.out + S::kColumns - 1) / S::kColumns);
  const int64_t on_one = (tiles + multiprocessors - 1) / multiprocessors;
  const int64_t rounds = (on_one + S::kBlocks - 1) / S::kBlocks;
  return static_cast<double>(rounds) * alone + static_cast<double>(on_one - rounds) * more;
}

template <class S>
dim3 grid_of(const FloatProduct& product) {
  return dim3(static_cast<unsigned>((product.rows + S::kRows - 1) / S::kRows),
              static_cast<unsigned>((product.out + S::kColumns - 1) / S::kColumns));
}

}  // namespace float_tiles
}  // namespace indextts2
