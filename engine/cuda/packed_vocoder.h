// BigVGAN's weights as the kernels of the vocoder take them.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "cuda/kernels/snake.h"
#include "cuda/kernels/tap_conv.h"
#include "modules/bigvgan.h"

namespace indextts2 {

struct PackedConv {
  at::Tensor weight;  // [taps, out, in]
  at::Tensor bias;    // [out] float32
  int taps = 0, first = 0, dilation = 1;
  int64_t in() const { return weight.size(2); }
  int64_t out() const { return weight.size(1); }
};

struct PackedSnake {
  at::Tensor curve;  // [2, channels] float32
  std::array<float, kWaveTaps> up, down;
};

struct PackedPair {
  PackedSnake before_dilated;
  PackedConv dilated;
  PackedSnake before_plain;
  PackedConv plain;
};

struct PackedStage {
  PackedConv up;  // `rate` groups of output channels
  int64_t rate = 1, kernel = 1, padding = 0;
  std::vector<std::vector<PackedPair>> blocks;  // longest kernels first
  int64_t channels() const { return up.out() / rate; }
};

// The last convolution, to one channel.
struct PackedOut {
  at::Tensor weight;  // [taps, channels] float32
  float bias = 0;
  int taps = 1;
};

// On the network's device; channels padded to multiples of kWaveAlign. Immutable, shared by
// decoders. Thread-safety: const.
class PackedVocoder {
 public:
  // Whether there are kernels for the network: sizes, and a CUDA device of capability 8.0 or newer
  // with large shared memory (sm_80, sm_90, sm_100; not sm_86, sm_89, sm_120).
  static bool supports(const BigVgan& network);
  // Half precision for networks in bfloat16 as well: as fast, and nearer to float32.
  static WaveType natural_type(const BigVgan& network);

  // Needs supports(); any type goes with any network, the weights are rounded once. Keeps no
  // reference to `network`. Throws Error{kNoMemory, kDeviceLost}.
  PackedVocoder(const BigVgan& network, WaveType type);

  WaveType type() const { return type_; }
  at::Device device() const { return pre_.weight.device(); }
  int64_t mel_bands() const { return mel_bands_; }
  int64_t hop() const { return hop_; }
  const PackedConv& pre() const { return pre_; }
  const std::vector<PackedStage>& stages() const { return stages_; }
  const PackedSnake& activation_post() const { return activation_post_; }
  const PackedOut& post() const { return post_; }

 private:
  WaveType type_;
  int64_t mel_bands_, hop_;
  PackedConv pre_;
  std::vector<PackedStage> stages_;
  PackedSnake activation_post_;
  PackedOut post_;
};

at::ScalarType scalar_type(WaveType type);

}  // namespace indextts2
