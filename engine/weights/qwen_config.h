// What the config.json of a Qwen3 folder says about the model, typed and checked. Field names are
// the keys of the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace indextts2 {

struct QwenConfig {
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  double rms_norm_eps = 1e-6, rope_theta = 0;
  bool tie_word_embeddings = false;   // the head is the embedding table
  std::vector<int32_t> eos_token_id;  // one or more: each ends an answer
};

// Reads config.json and, unless that path is empty, generation_config.json, whose eos_token_id
// replaces the other one, as it does when transformers generates. Throws Error{kNotFound,
// kOpenRead, kModel} with file, key, expected and got; other architectures, scaled positions,
// sliding windows and biases are refused.
QwenConfig read_qwen_config(const std::string& config_json,
                            const std::string& generation_config_json = "");

}  // namespace indextts2
