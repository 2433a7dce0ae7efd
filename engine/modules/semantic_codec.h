// Semantic codec: semantic features <-> codes, and codes -> features for synthesis.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "ops/layers.h"

namespace indextts2 {

// Codes to features; all that synthesis needs of the codec. Thread-safety: const.
class SemanticCodebook {
 public:
  // `weights`: the root of the codec's file.
  explicit SemanticCodebook(const Weights& weights);

  int64_t num_codes() const { return codes_.size(0); }
  int64_t width() const { return out_.weight.size(0); }

  // codes int64 [B, n], each in [0, num_codes) -> [B, n, width]
  at::Tensor lookup(const at::Tensor& codes) const;
  // latent [B, T, D] -> int64 [B, T], the code of the nearest row in direction
  at::Tensor nearest(const at::Tensor& latent) const;

 private:
  at::Tensor codes_;       // [num_codes, D]
  at::Tensor directions_;  // the same rows, each of length 1
  at::Tensor lengths_;     // [num_codes] squared length of each direction, 1 but for rounding
  Linear out_;
};

// One block of the encoder: depthwise convolution, then a widened feed-forward, scaled and added.
class ConvNextBlock {
 public:
  ConvNextBlock(const Weights& weights, int64_t width);
  at::Tensor forward(const at::Tensor& x) const;  // [B, T, C] -> [B, T, C]

 private:
  Conv1d depthwise_;
  LayerNorm norm_;
  Linear in_, out_;
  at::Tensor gamma_;  // [C]
};

// Encoder and quantiser. Thread-safety: const.
class SemanticCodec {
 public:
  // `weights`: the root of the codec's file.
  explicit SemanticCodec(const Weights& weights);

  const SemanticCodebook& codebook() const { return codebook_; }
  int64_t width() const { return codebook_.width(); }

  struct Quantized {
    at::Tensor codes;     // int64 [B, T]
    at::Tensor features;  // [B, T, width], the codes' features: S_ref of a prompt
  };
  // features [B, T, width]
  Quantized quantize(const at::Tensor& features) const;
  // The same in steps.
  at::Tensor encode(const at::Tensor& features) const;  // [B, T, width] -> [B, T, width]
  at::Tensor latent(const at::Tensor& encoded) const;   // [B, T, width] -> [B, T, D]

  // Tensors of the checkpoint that inference does not need.
  static const std::vector<std::string>& unused_names();

 private:
  Conv1d embed_;
  LayerNorm norm_;
  std::vector<ConvNextBlock> blocks_;
  LayerNorm final_norm_;
  Linear out_;
  Linear in_project_;
  SemanticCodebook codebook_;
};

}  // namespace indextts2
