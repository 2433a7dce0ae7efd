// w2v-BERT 2.0: speech features -> the semantic features that stand for a voice and its emotion.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// What the tensors do not show; config.json of w2v-bert-2.0.
struct W2vBertOptions {
  int64_t hidden_layer =
      17;  // index of the hidden state that is wanted; fewer layers in the file: the last
  int64_t left_positions = 64;  // left_max_position_embeddings
  int64_t right_positions = 8;  // right_max_position_embeddings
};

// One encoder layer: half a feed-forward, attention with relative positions, convolution, half a
// feed-forward.
class W2vBertLayer {
 public:
  W2vBertLayer(const Weights& weights, int64_t width, const W2vBertOptions& options);
  // x [1, T, C] -> [1, T, C], both float32. `distances` [T, T] int64: row of the distance table for
  // (query, key). Rows from `valid_rows` on are hidden from all others.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& distances, int64_t valid_rows) const;

 private:
  at::Tensor attention(const at::Tensor& x, const at::Tensor& distances, int64_t valid_rows) const;
  at::Tensor convolution(const at::Tensor& x, int64_t valid_rows) const;

  LayerNorm ffn1_norm_;
  Linear ffn1_in_, ffn1_out_;
  LayerNorm attention_norm_;
  Linear query_, key_, value_, attention_out_;
  at::Tensor distance_;  // [left + right + 1, D]
  LayerNorm conv_norm_;
  Linear conv_in_;
  Conv1d depthwise_;
  LayerNorm depthwise_norm_;
  Linear conv_out_;
  LayerNorm ffn2_norm_;
  Linear ffn2_in_, ffn2_out_;
  LayerNorm final_norm_;
};

// Thread-safety: const. Only the layers up to the wanted hidden state are loaded. Hidden states are
// float32; the layers compute what they add in the dtype of the weights.
class W2vBert {
 public:
  explicit W2vBert(const Weights& weights, const W2vBertOptions& options = {});

  int64_t width() const { return projection_.weight.size(0); }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }

  // The wanted hidden state. float32 features [1, T, 160] -> [1, T, width]; rows from `valid_rows`
  // on are padding.
  at::Tensor forward(const at::Tensor& features, int64_t valid_rows) const;
  // The same in steps: hidden state 0, then layer i makes hidden state i + 1 of hidden state i.
  at::Tensor project(const at::Tensor& features, int64_t valid_rows) const;
  at::Tensor layer(int64_t index, const at::Tensor& hidden, int64_t valid_rows) const;

  // Tensors of the checkpoint that inference does not need.
  const std::vector<std::string>& unused_names() const { return unused_names_; }

 private:
  at::Tensor distances(const at::Tensor& hidden) const;

  LayerNorm norm_;
  Linear projection_;
  std::vector<W2vBertLayer> layers_;
  int64_t left_, right_;
  std::vector<std::string> unused_names_;
};

}  // namespace indextts2
