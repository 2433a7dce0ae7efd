// The Qwen3 language model as its formulas say, in double precision, without a cache.
#include "modules/qwen3_definition.h"

#include <algorithm>
#include <cmath>

namespace indextts2 {
namespace {

double dot(const double* a, const double* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// x with the features i and i + half turned by position / base^(i / half).
Row turned(const Row& x, int64_t position, double base) {
  const size_t half = x.size() / 2;
  Row y(x.size());
  for (size_t i = 0; i < half; ++i) {
    const double speed = std::pow(base, -static_cast<double>(i) / static_cast<double>(half));
    const double angle = static_cast<double>(position) * speed;
    y[i] = x[i] * std::cos(angle) - x[i + half] * std::sin(angle);
    y[i + half] = x[i] * std::sin(angle) + x[i + half] * std::cos(angle);
  }
  return y;
}

void add(Row& x, const Row& y) {
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

}  // namespace

Qwen3Definition::Qwen3Definition(const QwenConfig& config,
                                 const std::map<std::string, at::Tensor>& tensors)
    : config_(config) {
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor dense = tensor.to(at::kDouble).contiguous();
    values_[name] = {dense.const_data_ptr<double>(),
                     dense.const_data_ptr<double>() + dense.numel()};
  }
}

Row Qwen3Definition::product(const std::string& name, const Row& x) const {
  const Row& weight = values_.at(name + ".weight");
  Row y(weight.size() / x.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = dot(&weight[i * x.size()], x.data(), x.size());
  return y;
}

Row Qwen3Definition::norm(const std::string& name, const Row& x) const {
  const Row& weight = values_.at(name + ".weight");
  const double mean = dot(x.data(), x.data(), x.size()) / static_cast<double>(x.size());
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = x[i] / std::sqrt(mean + config_.rms_norm_eps) * weight[i];
  }
  return y;
}

// The heads of x, each normed and turned for its position.
std::vector<Row> Qwen3Definition::heads(const Row& x, const std::string& norm_name,
                                        int64_t position) const {
  std::vector<Row> heads;
  for (size_t begin = 0; begin < x.size(); begin += static_cast<size_t>(config_.head_dim)) {
    const Row head(x.data() + begin, x.data() + begin + config_.head_dim);
    heads.push_back(turned(norm(norm_name, head), position, config_.rope_theta));
  }
  return heads;
}

std::vector<Row> Qwen3Definition::attention(const std::string& layer,
                                            const std::vector<Row>& x) const {
  const auto size = static_cast<size_t>(config_.head_dim);
  const auto shared =
      static_cast<size_t>(config_.num_attention_heads / config_.num_key_value_heads);
  std::vector<std::vector<Row>> keys;
  std::vector<Row> values, out;
  for (size_t t = 0; t < x.size(); ++t) {
    const auto position = static_cast<int64_t>(t);
    keys.push_back(heads(product(layer + "k_proj", x[t]), layer + "k_norm", position));
    values.push_back(product(layer + "v_proj", x[t]));
    const auto queries = heads(product(layer + "q_proj", x[t]), layer + "q_norm", position);
    Row seen(queries.size() * size, 0.0);
    for (size_t h = 0; h < queries.size(); ++h) {
      const size_t source = h / shared;
      Row weights;
      double sum = 0;
      for (size_t key = 0; key <= t; ++key) {
        const double score = dot(queries[h].data(), keys[key][source].data(), size);
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
        sum += weights.back();
      }
      for (size_t key = 0; key <= t; ++key) {
        for (size_t d = 0; d < size; ++d) {
          seen[h * size + d] += weights[key] / sum * values[key][source * size + d];
        }
      }
    }
    out.push_back(product(layer + "o_proj", seen));
  }
  return out;
}

Row Qwen3Definition::feed_forward(const std::string& layer, const Row& x) const {
  Row gate = product(layer + "gate_proj", x);
  const Row up = product(layer + "up_proj", x);
  for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
  return product(layer + "down_proj", gate);
}

std::vector<Row> Qwen3Definition::logits(const std::vector<int32_t>& ids) const {
  const auto width = static_cast<size_t>(config_.hidden_size);
  std::vector<Row> x;
  for (const int32_t id : ids) {
    const double* row =
        values_.at("model.embed_tokens.weight").data() + static_cast<size_t>(id) * width;
    x.emplace_back(row, row + width);
  }
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    std::vector<Row> normed;
    for (const Row& row : x) normed.push_back(norm(layer + "input_layernorm", row));
    const std::vector<Row> seen = attention(layer + "self_attn.", normed);
    for (size_t t = 0; t < x.size(); ++t) {
      add(x[t], seen[t]);
      add(x[t], feed_forward(layer + "mlp.", norm(layer + "post_attention_layernorm", x[t])));
    }
  }
  const std::string head = config_.tie_word_embeddings ? "model.embed_tokens" : "lm_head";
  for (Row& row : x) row = product(head, norm("model.norm", row));
  return x;
}

}  // namespace indextts2
