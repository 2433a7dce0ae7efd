// Log-mel to sound.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/stop_token.h"
#include "modules/bigvgan.h"
#include "stages/backend.h"

namespace indextts2 {

// Thread-safety: const.
class Vocoder {
 public:
  // `weights`: root of bigvgan_generator.pt.
  Vocoder(const Weights& weights, const ModelConfig& config);

  // mel [1, M, F] -> F * hop mono samples in [-1, 1] by `decoder`, which must be of this network.
  // Throws Error{kSynthesis} when the sound is not finite, Error{kCancelled}.
  std::vector<float> decode(const at::Tensor& mel, WaveDecoder& decoder,
                            const StopToken& stop) const;
  // The same on LibTorch.
  std::vector<float> decode(const at::Tensor& mel, const StopToken& stop) const;

  const std::shared_ptr<const BigVgan>& network() const { return network_; }

 private:
  std::shared_ptr<const BigVgan> network_;
  at::Device device_;
};

}  // namespace indextts2
