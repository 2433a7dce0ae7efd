// The kernel of tap_conv.h for one storage type. A block of threads makes kRows x kColumns outputs.
// It walks over parts, blocks of channels and taps; the input rows of a channel block lie in shared
// memory once for all taps, the weights of each tap stream through a ring.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/tap_conv.h"
#include "cuda/kernels/tensor_cores.cuh"
#include "cuda/kernels/wave_values.cuh"

namespace indextts2 {
namespace tap_conv {

constexpr int kStages = 3;  // of the weights' ring

// kTileM x kTileN: tiles of 16 rows, 8 columns of a warp; kWarpsM x kWarpsN warps. kSteps: tensor
// core steps (32 bytes of channels) of a channel block. kBlocks: wanted per multiprocessor.
template <class Type, int kTileM_, int kTileN_, int kWarpsM_, int kWarpsN_, int kSteps_,
          int kBlocks_>
struct Shape {
  using T = Type;
  static constexpr int kTileM = kTileM_, kTileN = kTileN_, kWarpsM = kWarpsM_, kWarpsN = kWarpsN_;
  static constexpr int kSteps = kSteps_, kBlocks = kBlocks_;
  static constexpr int kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kRows = 16 * kTileM * kWarpsM, kColumns = 8 * kTileN * kWarpsN;
  static constexpr int kUnits = 2 * kSteps;  // 16 bytes each, of a row in shared memory
  // An odd number of units: eight consecutive rows lie in eight different groups of banks.
  static constexpr int kPitch = 16 * (kUnits + 1);
  static constexpr int kUnitChannels = 16 / static_cast<int>(sizeof(T));
  static constexpr int kChannels = kUnits * kUnitChannels;  // of a block of channels
  static constexpr int kWeightBytes = kColumns * kPitch;
  // Results of a warp on their way out: rows of floats, 8 words apart modulo the banks.
  static constexpr int kOutPitch = 8 * kTileN + (8 * kTileN % 32 == 16 ? 8 : 0);
  static constexpr int kOutBytes = 4 * kOutPitch * 16 * kTileM * kWarpsM * kWarpsN;

  static int channel_blocks(int64_t channels) {
    return static_cast<int>((channels + kChannels - 1) / kChannels);
  }
  // `reach`: the largest of the parts. One input buffer is enough where one block is all there is.
  static constexpr int shared_bytes(int reach, int input_buffers) {
    const int ring = input_buffers * (kRows + reach) * kPitch + kStages * kWeightBytes;
    return ring > kOutBytes ? ring : kOutBytes;
  }
};

template <int kCount>
__device__ inline void split(const uint32_t* x, uint32_t* high, uint32_t* low) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) split_tf32(x[i], high + i, low + i);
}

// One tensor core step of a warp: sum[i][j] += a[i] b[j] for its tiles, fragments one after
// another.
template <class S>
__device__ inline void multiply(float (*sum)[S::kTileN][4], const uint32_t* a, const uint32_t* b) {
  if constexpr (sizeof(typename S::T) == 2) {
#pragma unroll
    for (int i = 0; i < S::kTileM; ++i) {
#pragma unroll
      for (int j = 0; j < S::kTileN; ++j) multiply16x8<__half>(sum[i][j], a + 4 * i, b + 2 * j);
    }
  } else {
    uint32_t high[4 * S::kTileM], low[4 * S::kTileM];
    split<4 * S::kTileM>(a, high, low);
#pragma unroll
    for (int j = 0; j < S::kTileN; ++j) {
      uint32_t b_high[2], b_low[2];
      split<2>(b + 2 * j, b_high, b_low);
      // The tensor cores cut off what they add to; over thousands of products that would show. So
      // they start from zero and the long sum is rounded to nearest.
      float part[S::kTileM][4] = {};
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) multiply16x8<float>(part[i], low + 4 * i, b_high);
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) multiply16x8<float>(part[i], high + 4 * i, b_low);
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) multiply16x8<float>(part[i], high + 4 * i, b_high);
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) {
#pragma unroll
        for (int k = 0; k < 4; ++k) sum[i][j][k] += part[i][k];
      }
    }
  }
}

// Walks over (part, channel block, tap).
struct Walk {
  int part, block, tap, serial;  // serial: number of the channel block over all parts

  __device__ void advance(int taps, int blocks) {
    if (++tap < taps) return;
    tap = 0;
    ++serial;
    if (++block < blocks) return;
    block = 0;
    ++part;
  }
};

// Eight results from the sums of the parts begin .. end - 1: bias and residual come on top.
template <class T>
__device__ inline void store_sums(const TapConvCall& call, int begin, int end, int m, int n,
                                  const float* sums) {
  const int64_t at = m * call.out_channels + n - call.shift;
  if (at < 0 || at >= call.size) return;
  float y[8], more[8];
  load8(sums, y);
  for (int part = begin; part < end; ++part) {
    load8(call.parts[part].bias + n, more);
#pragma unroll
    for (int k = 0; k < 8; ++k) y[k] += more[k];
    if (call.parts[part].residual == nullptr) continue;
    load8(static_cast<const T*>(call.parts[part].residual) + at, more);
#pragma unroll
    for (int k = 0; k < 8; ++k) y[k] += more[k];
  }
  if (call.sum) {
#pragma unroll
    for (int k = 0; k < 8; ++k) y[k] *= call.scale;
  }
  store8(static_cast<T*>(call.parts[begin].out) + at, y);
}

template <class S>
class Tile {
 public:
  using T = typename S::T;

  __device__ Tile(const TapConvCall& call, unsigned char* shared, int reach, int buffers)
      : call_(call),
        shared_(shared),
        input_(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
        input_bytes_((S::kRows + reach) * S::kPitch),
        buffers_(buffers),
        weight_(input_ + static_cast<uint32_t>(buffers * input_bytes_)),
        blocks_(static_cast<int>((call.in_channels + S::kChannels - 1) / S::kChannels)),
        row_(static_cast<int>(blockIdx.x) * S::kRows),
        column_(static_cast<int>(blockIdx.y) * S::kColumns),
        begin_(call.sum ? 0 : static_cast<int>(blockIdx.z)),
        end_(call.sum ? call.count : begin_ + 1) {}

  __device__ void run() {
    float sum[S::kTileM][S::kTileN][4] = {};
    load_ = Walk{begin_, 0, 0, 0};
    load_slot_ = 0;
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) load_next();
    int slot = 0;
    for (Walk at{begin_, 0, 0, 0}; at.part < end_; at.advance(call_.parts[at.part].taps, blocks_)) {
      copies_wait<kStages - 2>();
      // Everybody is done with the slot and, as a part has two taps at least, with the input
      // buffer that load_next() overwrites.
      __syncthreads();
      load_next();
      const int first_row = at.tap * call_.parts[at.part].dilation;
      multiply_tap(sum, input_ + buffer(at.serial) + static_cast<uint32_t>(first_row * S::kPitch),
                   weight_ + static_cast<uint32_t>(slot * S::kWeightBytes));
      slot = slot + 1 == kStages ? 0 : slot + 1;
    }
    copies_wait<0>();
    __syncthreads();
    store(sum);
  }

 private:
  __device__ uint32_t buffer(int serial) const {
    return static_cast<uint32_t>((buffers_ == 2 ? serial & 1 : 0) * input_bytes_);
  }

  // The next step's weights and, with the first tap of a channel block, its input.
  __device__ void load_next() {
    if (load_.part < end_) {
      const TapConvPart& part = call_.parts[load_.part];
      const int channel = load_.block * S::kChannels;
      if (load_.tap == 0) load_input(part, channel);
      load_weight(part, channel);
      load_slot_ = load_slot_ + 1 == kStages ? 0 : load_slot_ + 1;
      load_.advance(part.taps, blocks_);
    }
    copies_commit();
  }

  __device__ void load_input(const TapConvPart& part, int channel) {
    const uint32_t to = input_ + buffer(load_.serial);
    const T* in = static_cast<const T*>(part.in);
    const int units = (S::kRows + (part.taps - 1) * part.dilation) * S::kUnits;
    for (int i = static_cast<int>(threadIdx.x); i < units; i += S::kThreads) {
      const int row = i / S::kUnits, unit = i % S::kUnits;
      const int64_t frame = static_cast<int64_t>(row_) + part.first + row;
      const int c = channel + unit * S::kUnitChannels;
      const bool inside = frame >= 0 && frame < call_.in_frames && c < call_.in_channels;
      copy16(to + static_cast<uint32_t>(row * S::kPitch + unit * 16),
             inside ? in + frame * call_.in_channels + c : in, inside);
    }
  }

  __device__ void load_weight(const TapConvPart& part, int channel) {
    const uint32_t to = weight_ + static_cast<uint32_t>(load_slot_ * S::kWeightBytes);
    const T* weight =
        static_cast<const T*>(part.weight) + load_.tap * call_.out_channels * call_.in_channels;
    for (int i = static_cast<int>(threadIdx.x); i < S::kColumns * S::kUnits; i += S::kThreads) {
      const int row = i / S::kUnits, unit = i % S::kUnits;
      const int n = column_ + row, c = channel + unit * S::kUnitChannels;
      const bool inside = n < call_.out_channels && c < call_.in_channels;
      copy16(to + static_cast<uint32_t>(row * S::kPitch + unit * 16),
             inside ? weight + n * call_.in_channels + c : weight, inside);
    }
  }

  __device__ void multiply_tap(float (*sum)[S::kTileN][4], uint32_t input, uint32_t weight) const {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    // Matrices of 8 rows x 16 bytes: of the input (rows 0-7, 8-15) x (low, high half of the step),
    // of the weights (low, high half) x (columns 0-7, 8-15).
    const uint32_t a_at =
        input + static_cast<uint32_t>((warp % S::kWarpsM * 16 * S::kTileM + lane % 16) * S::kPitch +
                                      lane / 16 * 16);
    const uint32_t b_at =
        weight + static_cast<uint32_t>(
                     (warp / S::kWarpsM * 8 * S::kTileN + lane % 8 + lane / 16 * 8) * S::kPitch +
                     lane / 8 % 2 * 16);
    // For an odd last tile only lanes 0-15 count, and those of 16-31 must stay inside: its own row.
    const uint32_t b_last = b_at - static_cast<uint32_t>(lane / 16 * 8 * S::kPitch);
#pragma unroll
    for (int step = 0; step < S::kSteps; ++step) {
      uint32_t a[4 * S::kTileM], b[2 * S::kTileN];
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) {
        load_matrices4(a_at + static_cast<uint32_t>(i * 16 * S::kPitch + step * 32), a + 4 * i);
      }
#pragma unroll
      for (int j = 0; j + 1 < S::kTileN; j += 2) {
        load_matrices4(b_at + static_cast<uint32_t>(j * 8 * S::kPitch + step * 32), b + 2 * j);
      }
      if constexpr (S::kTileN % 2 == 1) {
        load_matrices2(b_last + static_cast<uint32_t>((S::kTileN - 1) * 8 * S::kPitch + step * 32),
                       b + 2 * (S::kTileN - 1));
      }
      multiply<S>(sum, a, b);
    }
  }

  // Through shared memory, so that a thread stores eight channels at once. The ring is free.
  __device__ void store(float (*sum)[S::kTileN][4]) const {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    float* rows = reinterpret_cast<float*>(shared_) + warp * 16 * S::kTileM * S::kOutPitch;
#pragma unroll
    for (int i = 0; i < S::kTileM; ++i) {
#pragma unroll
      for (int j = 0; j < S::kTileN; ++j) {
        float* at = rows + (16 * i + lane / 4) * S::kOutPitch + 8 * j + lane % 4 * 2;
        *reinterpret_cast<float2*>(at) = make_float2(sum[i][j][0], sum[i][j][1]);
        *reinterpret_cast<float2*>(at + 8 * S::kOutPitch) = make_float2(sum[i][j][2], sum[i][j][3]);
      }
    }
    __syncwarp();
    const int first_row = row_ + warp % S::kWarpsM * 16 * S::kTileM;
    const int first_column = column_ + warp / S::kWarpsM * 8 * S::kTileN;
    for (int i = lane; i < 16 * S::kTileM * S::kTileN; i += 32) {
      const int row = i / S::kTileN, tile = i % S::kTileN;
      const int m = first_row + row, n = first_column + 8 * tile;
      if (m < call_.rows && n < call_.out_channels) {
        store_sums<T>(call_, begin_, end_, m, n, rows + row * S::kOutPitch + 8 * tile);
      }
    }
  }

  const TapConvCall& call_;
  unsigned char* shared_;
  uint32_t input_;
  int input_bytes_, buffers_;
  uint32_t weight_;
  int blocks_, row_, column_, begin_, end_;
  Walk load_;
  int load_slot_;
};

template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    tiles(const __grid_constant__ TapConvCall call, int reach, int buffers) {
  extern __shared__ __align__(16) unsigned char shared[];
  Tile<S>(call, shared, reach, buffers).run();
}

template <class S>
cudaError_t prepare() {
  static_assert(S::shared_bytes(kTapConvReach, 2) <= kTapConvShared, "kTapConvShared is too small");
  return cudaFuncSetAttribute(tiles<S>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              S::shared_bytes(kTapConvReach, 2));
}

template <class S>
cudaError_t launch(const TapConvCall& call, cudaStream_t on) {
  int reach = 0;
  for (int i = 0; i < call.count; ++i) {
    const int own = (call.parts[i].taps - 1) * call.parts[i].dilation;
    if (own > kTapConvReach || call.parts[i].taps < 2) return cudaErrorInvalidValue;
    reach = own > reach ? own : reach;
  }
  const int blocks = S::channel_blocks(call.in_channels) * (call.sum ? call.count : 1);
  const int buffers = blocks > 1 ? 2 : 1;
  const dim3 grid(static_cast<unsigned>((call.rows + S::kRows - 1) / S::kRows),
                  static_cast<unsigned>((call.out_channels + S::kColumns - 1) / S::kColumns),
                  call.sum ? 1u : static_cast<unsigned>(call.count));
  const auto shared = static_cast<size_t>(S::shared_bytes(reach, buffers));
  tiles<S><<<grid, S::kThreads, shared, on>>>(call, reach, buffers);
  return cudaGetLastError();
}

// The shapes of a storage type. Which one is taken depends on the channels alone: it fixes the
// order of the sums, which is the same with and without kSmall (TapConvCall::small_tiles).
template <class T, bool kSmall = false>
struct Shapes {
  static constexpr bool kIsHalf = sizeof(T) == 2;
  template <int kSteps>
  using Of96 = Shape<T, kSmall ? 2 : 4, 6, 4, 2, kSteps, kSmall ? 2 : 1>;
  template <int kSteps>
  using Of48 = Shape<T, 2, 6, 8, 1, kSteps, kIsHalf || kSmall ? 2 : 1>;
  template <int kSteps>
  using Of24 = Shape<T, 2, 3, 8, 1, kSteps, kIsHalf ? 3 : 2>;

  static cudaError_t run(const TapConvCall& call, cudaStream_t on) {
    const int64_t bytes = call.in_channels * static_cast<int64_t>(sizeof(T));
    const bool thirds = bytes % 96 == 0;
    if (call.out_channels <= 24) {
      return thirds ? launch<Of24<3>>(call, on) : launch<Of24<2>>(call, on);
    }
    if (call.out_channels <= 48) {
      return thirds ? launch<Of48<3>>(call, on) : launch<Of48<2>>(call, on);
    }
    if (bytes % 128 == 0) return launch<Of96<4>>(call, on);
    return thirds ? launch<Of96<3>>(call, on) : launch<Of96<2>>(call, on);
  }

  static cudaError_t prepare_all() {
    cudaError_t status = cudaSuccess;
    for (const auto one : {prepare<Of24<2>>, prepare<Of24<3>>, prepare<Of48<2>>, prepare<Of48<3>>,
                           prepare<Of96<2>>, prepare<Of96<3>>, prepare<Of96<4>>}) {
      if (status == cudaSuccess) status = one();
    }
    return status;
  }
};

// Each in a file of its own.
cudaError_t run_half(const TapConvCall& call, bool warpgroups, cudaStream_t on);
cudaError_t prepare_half();
cudaError_t run_float(const TapConvCall& call, cudaStream_t on);
cudaError_t prepare_float();
// By warpgroup products. Whether run_wide() takes the call, on the current device.
bool wide_takes(const TapConvCall& call);
cudaError_t run_wide(const TapConvCall& call, cudaStream_t on);
cudaError_t prepare_wide();

}  // namespace tap_conv
}  // namespace indextts2
