// Semantic features: w2v-BERT's hidden state in units of its spread over the training data.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "modules/w2v_bert.h"
#include "ops/layers.h"

namespace indextts2 {

// Thread-safety: const.
class SemanticFeatures {
 public:
  // The features are float32 if `stats` are, whatever `w2v` computes in. `w2v`: the root of
  // w2v-BERT's file; `stats`: of wav2vec2bert_stats.pt, mean and variance of each column.
  SemanticFeatures(const Weights& w2v, const Weights& stats, const W2vBertOptions& options = {});

  const W2vBert& w2v() const { return w2v_; }
  int64_t width() const { return w2v_.width(); }
  // rows [1, T, 160], those from `valid_rows` on are padding -> [1, T, width]
  at::Tensor forward(const at::Tensor& rows, int64_t valid_rows) const;

 private:
  W2vBert w2v_;
  at::Tensor mean_, deviation_;  // [width]
};

}  // namespace indextts2
