// Perceiver resampler: context of any length -> a fixed number of latents.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// One layer: latents attend to themselves and the context, then a gated feed-forward.
class PerceiverLayer {
 public:
  PerceiverLayer(const Weights& weights, int64_t width, int64_t heads);
  // latents [1, L, C], context [1, T, C] -> [1, L, C]
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& context) const;

 private:
  int64_t heads_;
  Linear query_, key_value_, out_;
  Linear ff_in_, ff_out_;
};

struct PerceiverOptions {
  int64_t heads = 8;  // attention_heads of the condition module
};

// Thread-safety: const. Latents, depth and widths come from the tensors.
class PerceiverResampler {
 public:
  PerceiverResampler(const Weights& weights, const PerceiverOptions& options);

  int64_t num_latents() const { return latents_.size(0); }
  int64_t width() const { return latents_.size(1); }
  // context [1, T, C_in] -> [1, num_latents, width]
  at::Tensor forward(const at::Tensor& context) const;

 private:
  at::Tensor latents_;  // [L, C]
  Linear project_;
  std::vector<PerceiverLayer> layers_;
  at::Tensor gamma_;  // [C]
};

}  // namespace indextts2
