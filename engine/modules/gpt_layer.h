// Projection of the text model's latent to semantic features: linear layers without activations.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// Thread-safety: const.
class GptLayer {
 public:
  explicit GptLayer(const Weights& weights);
  // Latent [B, n, GPT width] -> [B, n, semantic width].
  at::Tensor operator()(const at::Tensor& latent) const;

  int64_t in_features() const { return layers_.front().weight.size(1); }
  int64_t out_features() const { return layers_.back().weight.size(0); }

 private:
  std::vector<Linear> layers_;
};

}  // namespace indextts2
