// A speech language model of any size with random weights.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "memory_checkpoint.h"
#include "modules/unified_voice.h"
#include "ops/host_tensor.h"

namespace indextts2 {

struct RandomGptSizes {
  int64_t width = 1280, layers = 24, heads = 20, inner = 5120;
  int64_t vocabulary = 8194, positions = 1818;  // of codes
};

// Of a model that tests make in no time.
inline RandomGptSizes small_gpt_sizes() { return {128, 3, 2, 256, 258, 1818}; }

// Uniform in middle +- spread, rounded to `dtype` and kept as float32; cheap.
inline at::Tensor random_weights(const std::vector<int64_t>& shape, float middle, float spread,
                                 at::ScalarType dtype, uint64_t* state) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<float> values(count);
  for (float& value : values) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    value = middle + spread * (static_cast<float>(*state >> 40) / 8388608.0f - 1.0f);
  }
  return float_tensor(values).view(shape).to(dtype).to(at::kFloat);
}

// The weights are numbers that `rounded` holds exactly, whatever type they are kept in. `distinct`:
// layers with weights of their own; the others repeat them (each with its own memory),
// which makes large models quickly.
inline std::shared_ptr<const UnifiedVoice> random_gpt(const RandomGptSizes& sizes,
                                                      const WeightsOptions& options,
                                                      at::ScalarType rounded, int64_t distinct) {
  uint64_t state = 1;
  std::map<std::string, at::Tensor> tensors;
  const auto linear = [&](const std::string& name, int64_t in, int64_t out, bool transposed,
                          at::ScalarType dtype) {
    const float spread = std::sqrt(3.0f / static_cast<float>(in));  // keeps the variance
    tensors[name + ".weight"] =
        random_weights(transposed ? std::vector<int64_t>{in, out} : std::vector<int64_t>{out, in},
                       0, spread, dtype, &state);
    tensors[name + ".bias"] = random_weights({out}, 0, 0.2f, dtype, &state);
  };
  const auto norm = [&](const std::string& name) {
    tensors[name + ".weight"] = random_weights({sizes.width}, 1, 0.5f, rounded, &state);
    tensors[name + ".bias"] = random_weights({sizes.width}, 0, 0.2f, rounded, &state);
  };
  const auto table = [&](const std::string& name, int64_t rows) {
    tensors[name + ".weight"] = random_weights({rows, sizes.width}, 0, 1, rounded, &state);
  };
  const std::vector<std::string> parts = {"ln_1", "attn.c_attn", "attn.c_proj",
                                          "ln_2", "mlp.c_fc",    "mlp.c_proj"};
  for (int64_t i = 0; i < sizes.layers; ++i) {
    const std::string layer = "gpt.h." + std::to_string(i) + ".";
    if (i >= distinct) {
      const std::string source = "gpt.h." + std::to_string(i % distinct) + ".";
      for (const std::string& part : parts) {
        for (const char* kind : {".weight", ".bias"}) {
          tensors[layer + part + kind] = tensors.at(source + part + kind);
        }
      }
      continue;
    }
    norm(layer + "ln_1");
    norm(layer + "ln_2");
    linear(layer + "attn.c_attn", sizes.width, 3 * sizes.width, true, rounded);
    linear(layer + "attn.c_proj", sizes.width, sizes.width, true, rounded);
    linear(layer + "mlp.c_fc", sizes.width, sizes.inner, true, rounded);
    linear(layer + "mlp.c_proj", sizes.inner, sizes.width, true, rounded);
  }
  norm("gpt.ln_f");
  norm("final_norm");
  table("text_embedding", 8);
  table("text_pos_embedding.emb", 8);
  table("mel_embedding", sizes.vocabulary);
  table("mel_pos_embedding.emb", sizes.positions);
  table("speed_emb", 2);
  linear("mel_head", sizes.width, sizes.vocabulary, false, at::kFloat);
  GptConfig config;
  config.heads = sizes.heads;
  config.start_mel_token = sizes.vocabulary - 2;
  config.stop_mel_token = sizes.vocabulary - 1;
  return std::make_shared<const UnifiedVoice>(memory_weights(std::move(tensors), options), config);
}

}  // namespace indextts2
