// Log-mel to sound.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/stop_token.h"
#include "modules/bigvgan.h"
#include "stages/backend.h"

namespace indextts2 {

// The network of `weights`, the root of bigvgan_generator.pt. Throws Error{kModel}.
std::shared_ptr<const BigVgan> load_vocoder(const Weights& weights, const ModelConfig& config);

// Keeps nothing of the network, so that a device library that has packed it can let it go.
// Thread-safety: const.
class Vocoder {
 public:
  explicit Vocoder(const BigVgan& network);

  // mel [1, M, F] -> F * hop mono samples in [-1, 1] by `decoder`, which must be of this network.
  // Throws Error{kSynthesis} when the sound is not finite, Error{kCancelled}.
  std::vector<float> decode(const at::Tensor& mel, WaveDecoder& decoder,
                            const StopToken& stop) const;

 private:
  int64_t mel_bands_;
  at::Device device_;
};

}  // namespace indextts2
