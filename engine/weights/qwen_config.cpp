// What the config.json of a Qwen3 folder says about the model, typed and checked. Keys and what
// absent ones mean follow transformers 4.52.1, Qwen3Config.
#include "weights/qwen_config.h"

#include "weights/config_checks.h"
#include "weights/config_tree.h"

namespace indextts2 {
namespace {

// One id or a list of them; none if the key is absent.
std::vector<int32_t> read_eos(const ConfigTree& tree, int64_t vocabulary) {
  const std::string key = "eos_token_id";
  const Range<int64_t> range{0, vocabulary - 1};
  if (!tree.has(key)) return {};
  std::vector<int64_t> ids;
  if (tree.raw(key).front() == '[') {
    ids = tree.integers(key, range);
  } else {
    ids = {tree.integer(key, range)};
  }
  return {ids.begin(), ids.end()};
}

// Later versions of transformers keep the base below rope_parameters. An unscaled one is needed.
double read_rope_theta(const ConfigTree& tree) {
  if (tree.has("rope_scaling")) tree.fail("rope_scaling", "nothing", tree.raw("rope_scaling"));
  require_text(tree, "rope_parameters.rope_type", "default");
  const bool nested = tree.has("rope_parameters.rope_theta");
  return tree.number(nested ? "rope_parameters.rope_theta" : "rope_theta", {1, 1e12});
}

}  // namespace

QwenConfig read_qwen_config(const std::string& config_json,
                            const std::string& generation_config_json) {
  const ConfigTree tree = ConfigTree::from_json(config_json);
  if (const std::string type = tree.text("model_type"); type != "qwen3") {
    tree.fail("model_type", "qwen3", type);
  }
  require_text(tree, "hidden_act", "silu");
  require_flag(tree, "attention_bias", false, /*absent=*/false);
  require_flag(tree, "use_sliding_window", false, /*absent=*/false);
  QwenConfig config;
  config.vocab_size = tree.integer("vocab_size", kSizeRange);
  config.hidden_size = tree.integer("hidden_size", kSizeRange);
  config.intermediate_size = tree.integer("intermediate_size", kSizeRange);
  config.num_hidden_layers = tree.integer("num_hidden_layers", kCountRange);
  config.num_attention_heads = tree.integer("num_attention_heads", kCountRange);
  config.num_key_value_heads = tree.integer("num_key_value_heads", kCountRange);
  config.head_dim = tree.integer("head_dim", kSizeRange, 128);
  config.rms_norm_eps = tree.number("rms_norm_eps", {0, 1}, 1e-6);
  config.rope_theta = read_rope_theta(tree);
  config.tie_word_embeddings = tree.boolean("tie_word_embeddings", false);
  check_divisible(tree, "num_attention_heads", config.num_attention_heads, "num_key_value_heads",
                  config.num_key_value_heads);
  if (config.head_dim % 2 != 0) {
    tree.fail("head_dim", "an even number", std::to_string(config.head_dim));
  }
  if (!generation_config_json.empty()) {
    config.eos_token_id =
        read_eos(ConfigTree::from_json(generation_config_json), config.vocab_size);
  }
  if (config.eos_token_id.empty()) config.eos_token_id = read_eos(tree, config.vocab_size);
  if (config.eos_token_id.empty()) {
    tree.fail("eos_token_id", "a token id or a list of some", tree.raw("eos_token_id"));
  }
  return config;
}

}  // namespace indextts2
