// Semantic codes to features: codebook row and output projection of the semantic codec's quantiser.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/layers.h"

namespace indextts2 {

// The part of the semantic codec that synthesis needs. Thread-safety: const.
class CodeEmbedding {
 public:
  // What is kept: the projected rows of all codes, or the codebook, far smaller, and the
  // projection, which then is a product in each call.
  enum class Keep { kProjected, kCodebook };

  // `weights`: the codec checkpoint; takes quantizer.quantizers.0.{codebook, out_project}.
  explicit CodeEmbedding(const Weights& weights, Keep keep = Keep::kProjected);
  // Codes int64 [B, n], each < num_codes() -> features [B, n, semantic width].
  at::Tensor operator()(const at::Tensor& codes) const;

  int64_t num_codes() const { return table_.size(0); }
  int64_t width() const {
    return project_.weight.defined() ? project_.weight.size(0) : table_.size(1);
  }

 private:
  at::Tensor table_;  // codebook [codes, its width or, projected, width]
  Linear project_;    // undefined: done
};

}  // namespace indextts2
