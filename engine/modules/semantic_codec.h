// Semantic codec: semantic features -> codes, and the features that stand for those codes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "modules/code_embedding.h"
#include "ops/layers.h"

namespace indextts2 {

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

  const CodeEmbedding& embedding() const { return embedding_; }
  int64_t width() const { return embedding_.width(); }

  struct Quantized {
    at::Tensor codes;     // int64 [B, T]
    at::Tensor features;  // [B, T, width], the codes' features: S_ref of a prompt
  };
  // features [B, T, width]
  Quantized quantize(const at::Tensor& features) const;
  // The same in steps.
  at::Tensor encode(const at::Tensor& features) const;  // [B, T, width] -> [B, T, width]
  at::Tensor latent(const at::Tensor& encoded) const;   // [B, T, width] -> [B, T, D]
  at::Tensor nearest(
      const at::Tensor& latent) const;  // [B, T, D] -> codes int64 [B, T], nearest in direction

  // Tensors of the checkpoint that inference does not need.
  static const std::vector<std::string>& unused_names();

 private:
  Conv1d embed_;
  LayerNorm norm_;
  std::vector<ConvNextBlock> blocks_;
  LayerNorm final_norm_;
  Linear out_;
  Linear in_project_;
  at::Tensor directions_;  // [codes, D] codebook rows, each of length 1
  at::Tensor lengths_;     // [codes] squared length of each direction, 1 but for rounding
  CodeEmbedding embedding_;
};

}  // namespace indextts2
