// A tiny emotion model whose answer the test says: no attention, and a head that knows which token
// follows which.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/checkpoint_writer.h"

namespace indextts2 {

// Of the golden tokenizer (tests/golden/reference/byte_bpe): 256 bytes in the order of GPT-2, ...
inline constexpr int kTinyVocabulary = 906, kTinyEndOfText = 900, kTinyThoughtEnd = 904;
inline constexpr int kTinyHidden = 64;

inline int32_t tiny_token(unsigned char byte) {
  if (byte >= 0x21 && byte <= 0x7e) return byte - 0x21;
  if (byte >= 0xa1 && byte <= 0xac) return byte - 0xa1 + 94;
  if (byte >= 0xae) return byte - 0xae + 106;
  if (byte <= 0x20) return byte + 188;
  return byte == 0xad ? 255 : byte - 0x7f + 221;
}

inline std::vector<int32_t> tiny_tokens(std::string_view text) {
  std::vector<int32_t> ids;
  for (const char byte : text) ids.push_back(tiny_token(static_cast<unsigned char>(byte)));
  return ids;
}

// The safetensors file of a model that says `answer` behind "\n", which must lack a newline and
// have no token twice; the end of text follows it unless its last token is to come again and again.
inline std::string tiny_emotion_weights(const std::vector<int32_t>& answer, bool endless) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> embeddings(size_t{kTinyVocabulary} * kTinyHidden), head(embeddings.size());
  for (float& value : embeddings) value = normal(random);
  int32_t last = tiny_token('\n');
  const auto follow = [&](int32_t token) {
    for (int i = 0; i < kTinyHidden; ++i) {
      head[static_cast<size_t>(token * kTinyHidden + i)] +=
          embeddings[static_cast<size_t>(last * kTinyHidden + i)];
    }
    last = token;
  };
  for (const int32_t token : answer) follow(token);
  follow(endless ? answer.back() : kTinyEndOfText);

  std::map<std::string, std::pair<std::vector<int>, std::vector<float>>> tensors;
  const auto filled = [&](const std::string& name, std::vector<int> shape, float value) {
    size_t count = 1;
    for (const int size : shape) count *= static_cast<size_t>(size);
    tensors[name] = {std::move(shape), std::vector<float>(count, value)};
  };
  tensors["model.embed_tokens.weight"] = {{kTinyVocabulary, kTinyHidden}, std::move(embeddings)};
  tensors["lm_head.weight"] = {{kTinyVocabulary, kTinyHidden}, std::move(head)};
  const std::string layer = "model.layers.0.";
  for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) {
    filled(layer + norm + ".weight", {kTinyHidden}, 1);
  }
  for (const char* norm : {"q_norm", "k_norm"})
    filled(layer + "self_attn." + norm + ".weight", {8}, 1);
  for (const char* linear : {"q_proj", "k_proj", "v_proj"}) {
    filled(layer + "self_attn." + linear + ".weight", {8, kTinyHidden}, 0);
  }
  filled(layer + "self_attn.o_proj.weight", {kTinyHidden, 8}, 0);
  for (const char* linear : {"gate_proj", "up_proj"}) {
    filled(layer + "mlp." + linear + ".weight", {8, kTinyHidden}, 0);
  }
  filled(layer + "mlp.down_proj.weight", {kTinyHidden, 8}, 0);
  filled("model.norm.weight", {kTinyHidden}, 1);

  nlohmann::json header;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    data += bytes_of(tensor.second);
    header[name] = {
        {"dtype", "F32"}, {"shape", tensor.first}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors_file(header.dump(), data);
}

struct TinyAnswer {
  std::vector<int32_t> ids = tiny_tokens("高兴:0.9");  // happy 0.9
  bool endless = false;
};

// Fills `folder` (of the golden folder `byte_bpe`: the tokenizer) in the layout of the official
// qwen0.6bemo4-merge/.
inline void write_tiny_emotion_model(const std::filesystem::path& folder,
                                     const std::filesystem::path& byte_bpe,
                                     const TinyAnswer& answer = {}) {
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::string& content) {
    std::ofstream(folder / name, std::ios::binary) << content;
  };
  std::filesystem::copy_file(byte_bpe / "tokenizer.json", folder / "tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  // Ends with the newline that the answer follows.
  write("chat_template.jinja", "<|im_start|>system ... {% if enable_thinking is false %} ...");
  const nlohmann::json config = {
      {"model_type", "qwen3"},      {"hidden_act", "silu"},         {"vocab_size", kTinyVocabulary},
      {"hidden_size", kTinyHidden}, {"intermediate_size", 8},       {"num_hidden_layers", 1},
      {"num_attention_heads", 1},   {"num_key_value_heads", 1},     {"head_dim", 8},
      {"rope_theta", 1e6},          {"tie_word_embeddings", false}, {"eos_token_id", 0}};
  write("config.json", config.dump());
  write("generation_config.json", nlohmann::json{{"eos_token_id", {kTinyEndOfText}}}.dump());
  write("model.safetensors", tiny_emotion_weights(answer.ids, answer.endless));
}

}  // namespace indextts2
