// Length regulator: stretches semantic features to mel frames and makes them the condition of the
// mel model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// Thread-safety: const.
class LengthRegulator {
 public:
  explicit LengthRegulator(const Weights& weights);
  // Features [B, T, in] -> condition [B, frames, channels]. frames >= 1.
  at::Tensor operator()(const at::Tensor& features, int64_t frames) const;

  int64_t in_channels() const { return input_.weight.size(1); }
  int64_t channels() const { return output_.weight.size(0); }

  // Names below `weights` that inference does not use.
  static std::vector<std::string> unused_weights() { return {"mask_token", "embedding"}; }

 private:
  struct Block {
    Block(const Weights& convolution, const Weights& normalisation, int64_t channels);
    Conv1d conv;
    GroupNorm norm;
  };

  Linear input_;
  std::vector<Block> blocks_;
  Conv1d output_;
};

}  // namespace indextts2
