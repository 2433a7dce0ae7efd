// Log-mel to sound.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/stop_token.h"
#include "modules/bigvgan.h"

namespace indextts2 {

// Thread-safety: const.
class Vocoder {
 public:
  // `weights`: root of bigvgan_generator.pt.
  Vocoder(const Weights& weights, const ModelConfig& config);

  // mel [1, M, F] -> F * hop mono samples in [-1, 1]. Throws Error{kSynthesis} when the sound is
  // not finite, Error{kCancelled}.
  std::vector<float> decode(const at::Tensor& mel, const StopToken& stop) const;

 private:
  BigVgan network_;
  at::Device device_;
  at::ScalarType dtype_;
};

}  // namespace indextts2
