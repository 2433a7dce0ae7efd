// The Qwen3 language model as its formulas say, in double precision, without a cache: each call
// computes everything anew. Written apart from engine/modules/qwen3.cpp, to compare with.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weights/qwen_config.h"

namespace indextts2 {

using Row = std::vector<double>;

class Qwen3Definition {
 public:
  Qwen3Definition(const QwenConfig& config, const std::map<std::string, at::Tensor>& tensors);
  // Scores of the token after each of `ids`.
  std::vector<Row> logits(const std::vector<int32_t>& ids) const;

 private:
  Row product(const std::string& name, const Row& x) const;
  Row norm(const std::string& name, const Row& x) const;
  std::vector<Row> heads(const Row& x, const std::string& norm_name, int64_t position) const;
  std::vector<Row> attention(const std::string& layer, const std::vector<Row>& x) const;
  Row feed_forward(const std::string& layer, const Row& x) const;

  QwenConfig config_;
  std::map<std::string, Row> values_;
};

}  // namespace indextts2
