// The kernel of tap_conv.h for half storage on Hopper: as tap_conv_kernel.cuh, with warpgroup
// products. Sums run over parts, channel blocks, taps, channels, whatever the tile.
#pragma once

#include "cuda/kernels/tap_conv_kernel.cuh"
#include "cuda/kernels/warpgroup_mma.cuh"

namespace indextts2 {
namespace tap_conv {

// kGroups warpgroups of kTileM tiles of 64 rows x kColumns. kSteps: products of 16 channels of a
// channel block. kRing: slots of weights. kBlocks: wanted per multiprocessor.
template <int kGroups_, int kTileM_, int kColumns_, int kSteps_, int kRing_, int kBlocks_>
struct WideShape {
  static constexpr int kGroups = kGroups_, kTileM = kTileM_, kColumns = kColumns_;
  static constexpr int kSteps = kSteps_, kRing = kRing_, kBlocks = kBlocks_;
  static constexpr int kThreads = 128 * kGroups, kRows = 64 * kTileM * kGroups;
  static constexpr int kUnits = 2 * kSteps, kChannels = 8 * kUnits;
  // Copies are begun so many steps ahead. A slot is free two steps after its products were begun:
  // then every warpgroup has waited for them.
  static constexpr int kAhead = kRing - 2;
  // Units of a row lie an odd number of units apart, so that they are written without conflicts.
  static constexpr int kWeightPitch = 16 * (kColumns + 1);
  static constexpr int kWeightBytes = kUnits * kWeightPitch;
  static constexpr int kOutPitch = kColumns + (kColumns % 32 == 0    ? 8
                                               : kColumns % 32 == 16 ? 8
                                                                     : 0);
  static constexpr int kOutBytes = 4 * kOutPitch * 16 * (kThreads / 32);

  static constexpr int input_pitch(int reach) { return 16 * ((kRows + reach) | 1); }
  // An input buffer is overwritten kAhead steps before its successors' first product.
  static constexpr int input_buffers(int least_taps) { return 2 + kAhead / least_taps; }
  static constexpr int shared_bytes(int reach, int buffers) {
    const int ring = buffers * kUnits * input_pitch(reach) + kRing * kWeightBytes;
    return ring > kOutBytes ? ring : kOutBytes;
  }
};

template <class S>
class WideTile {
 public:
  __device__ WideTile(const TapConvCall& call, unsigned char* shared, int pitch, int buffers)
      : call_(call),
        shared_(shared),
        input_(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
        pitch_(static_cast<uint32_t>(pitch)),
        buffers_(buffers),
        weight_(input_ + static_cast<uint32_t>(buffers * S::kUnits) * pitch_),
        blocks_(static_cast<int>(call.in_channels) / S::kChannels),
        row_(static_cast<int>(blockIdx.x) * S::kRows),
        column_(static_cast<int>(blockIdx.y) * S::kColumns),
        begin_(call.sum ? 0 : static_cast<int>(blockIdx.z)),
        end_(call.sum ? call.count : begin_ + 1) {}

  __device__ void run() {
    float sum[S::kTileM][S::kColumns / 8][4];  // defined by the first product alone
    load_ = Walk{begin_, 0, 0, 0};
    load_slot_ = load_buffer_ = 0;
    for (int i = 0; i < S::kAhead; ++i) load_next();
    int slot = 0, buffer = 0, more = 0;
    Walk at{begin_, 0, 0, 0};
    do {
      copies_wait<S::kAhead - 1>();
      show_to_products();
      __syncthreads();
      const TapConvPart& part = call_.parts[at.part];
      multiply_tap(sum, input_at(buffer) + static_cast<uint32_t>(16 * at.tap * part.dilation),
                   weight_ + static_cast<uint32_t>(slot * S::kWeightBytes), more);
      more = 1;
      products_wait<1>();  // those of the step before
      load_next();
      slot = slot + 1 == S::kRing ? 0 : slot + 1;
      const int serial = at.serial;
      at.advance(part.taps, blocks_);
      if (at.serial != serial) buffer = buffer + 1 == buffers_ ? 0 : buffer + 1;
    } while (at.part < end_);
    products_wait<0>();
#pragma unroll
    for (auto& tile : sum) settle(tile);
    copies_wait<0>();
    __syncthreads();
    store(sum);
  }

 private:
  __device__ uint32_t input_at(int buffer) const {
    return input_ + static_cast<uint32_t>(buffer * S::kUnits) * pitch_;
  }

  // The next step's weights and, with the first tap of a channel block, its input.
  __device__ void load_next() {
    if (load_.part < end_) {
      load_input();
      load_weight();
      load_slot_ = load_slot_ + 1 == S::kRing ? 0 : load_slot_ + 1;
      load_.advance(call_.parts[load_.part].taps, blocks_);
    }
    copies_commit();
  }

  // With the first tap of a channel block alone.
  __device__ void load_input() {
    if (load_.tap != 0) return;
    const TapConvPart& part = call_.parts[load_.part];
    const uint32_t to = input_at(load_buffer_);
    load_buffer_ = load_buffer_ + 1 == buffers_ ? 0 : load_buffer_ + 1;
    const __half* in = static_cast<const __half*>(part.in) + load_.block * S::kChannels;
    const int units = (S::kRows + (part.taps - 1) * part.dilation) * S::kUnits;
    for (int i = static_cast<int>(threadIdx.x); i < units; i += S::kThreads) {
      const int row = i / S::kUnits, unit = i % S::kUnits;
      const int64_t frame = static_cast<int64_t>(row_) + part.first + row;
      const bool inside = frame >= 0 && frame < call_.in_frames;
      copy16(to + static_cast<uint32_t>(unit) * pitch_ + static_cast<uint32_t>(row * 16),
             inside ? in + frame * call_.in_channels + unit * 8 : in, inside);
    }
  }

  __device__ void load_weight() {
    const TapConvPart& part = call_.parts[load_.part];
    const uint32_t to = weight_ + static_cast<uint32_t>(load_slot_ * S::kWeightBytes);
    const __half* weight = static_cast<const __half*>(part.weight) +
                           load_.tap * call_.out_channels * call_.in_channels +
                           load_.block * S::kChannels;
    for (int i = static_cast<int>(threadIdx.x); i < S::kColumns * S::kUnits; i += S::kThreads) {
      const int row = i / S::kUnits, unit = i % S::kUnits;
      const int n = column_ + row;
      const bool inside = n < call_.out_channels;
      copy16(to + static_cast<uint32_t>(unit * S::kWeightPitch + row * 16),
             inside ? weight + n * call_.in_channels + unit * 8 : weight, inside);
    }
  }

  __device__ void multiply_tap(float (*sum)[S::kColumns / 8][4], uint32_t input, uint32_t weight,
                               int more) const {
    const uint32_t first = threadIdx.x / 128 * (64 * S::kTileM) * 16;
    products_begin();
#pragma unroll
    for (int step = 0; step < S::kSteps; ++step) {
      const uint64_t b = unit_operand(weight + step * 2 * S::kWeightPitch, S::kWeightPitch);
#pragma unroll
      for (int i = 0; i < S::kTileM; ++i) {
        WarpgroupProduct<S::kColumns>::add(
            sum[i], unit_operand(input + first + step * 2 * pitch_ + i * 1024, pitch_), b,
            step == 0 ? more : 1);
      }
    }
    products_commit();
  }

  // Through shared memory, so that a thread stores eight channels at once. The ring is free.
  __device__ void store(float (*sum)[S::kColumns / 8][4]) const {
    constexpr int kTiles = S::kColumns / 8;
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    float* rows = reinterpret_cast<float*>(shared_) + warp * 16 * S::kOutPitch;
    float* own = rows + lane / 4 * S::kOutPitch + lane % 4 * 2;
    const int first_row = row_ + warp / 4 * 64 * S::kTileM + warp % 4 * 16;
#pragma unroll
    for (int i = 0; i < S::kTileM; ++i) {
#pragma unroll
      for (int j = 0; j < kTiles; ++j) {
        float* at = own + 8 * j;
        *reinterpret_cast<float2*>(at) = make_float2(sum[i][j][0], sum[i][j][1]);
        *reinterpret_cast<float2*>(at + 8 * S::kOutPitch) = make_float2(sum[i][j][2], sum[i][j][3]);
      }
      __syncwarp();
      for (int k = lane; k < 16 * kTiles; k += 32) {
        const int m = first_row + 64 * i + k / kTiles, n = column_ + k % kTiles * 8;
        if (m < call_.rows && n < call_.out_channels) {
          store_sums<__half>(call_, begin_, end_, m, n,
                             rows + k / kTiles * S::kOutPitch + k % kTiles * 8);
        }
      }
      __syncwarp();
    }
  }

  const TapConvCall& call_;
  unsigned char* shared_;
  uint32_t input_, pitch_;
  int buffers_;
  uint32_t weight_;
  int blocks_, row_, column_, begin_, end_;
  Walk load_;
  int load_slot_, load_buffer_;
};

}  // namespace tap_conv
}  // namespace indextts2
