// The configuration of a Qwen3 folder: what is read, what is refused and how the refusal reads.
#include "weights/qwen_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/temp_folder.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

using nlohmann::json;

// As transformers writes it for Qwen3-0.6B.
const char kOfficial[] = R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
  "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072,
  "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
  "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
  "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true,
  "use_sliding_window": false, "vocab_size": 151936})";

class QwenConfigTest : public testing::Test {
 protected:
  QwenConfig read(const json& config) {
    return read_qwen_config(folder_.write("config.json", config.dump()));
  }
  // With the key set to a value, or removed where that is null.
  QwenConfig with(const std::string& key, const json& value) {
    json config = official_;
    config.erase(key);
    if (!value.is_null()) config[key] = value;
    return read(config);
  }
  testing::AssertionResult refuses(const std::string& key, const json& value,
                                   const std::vector<std::string>& parts) {
    std::vector<std::string> all = {"config.json: key " + key + ": expected"};
    all.insert(all.end(), parts.begin(), parts.end());
    return throws_error([&] { with(key, value); }, ErrorCode::kModel, all);
  }

  TempFolder folder_;
  const json official_ = json::parse(kOfficial);
};

TEST_F(QwenConfigTest, ReadsTheOfficialOne) {
  const QwenConfig config = read(official_);
  EXPECT_EQ(config.vocab_size, 151936);
  EXPECT_EQ(config.hidden_size, 1024);
  EXPECT_EQ(config.intermediate_size, 3072);
  EXPECT_EQ(config.num_hidden_layers, 28);
  EXPECT_EQ(config.num_attention_heads, 16);
  EXPECT_EQ(config.num_key_value_heads, 8);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.eos_token_id, std::vector<int32_t>{151645});
}

TEST_F(QwenConfigTest, KnowsWhatAbsentKeysMean) {
  EXPECT_EQ(with("head_dim", nullptr).head_dim, 128);
  EXPECT_EQ(with("rms_norm_eps", nullptr).rms_norm_eps, 1e-6);
  EXPECT_FALSE(with("tie_word_embeddings", nullptr).tie_word_embeddings);
  EXPECT_EQ(with("hidden_act", nullptr).hidden_size, 1024);
}

TEST_F(QwenConfigTest, FindsTheRotaryBaseWhereLaterVersionsKeepIt) {
  json later = official_;
  later.erase("rope_theta");
  later["rope_parameters"] = {{"rope_theta", 5e5}, {"rope_type", "default"}};
  EXPECT_EQ(read(later).rope_theta, 5e5);
  later["rope_parameters"]["rope_type"] = "yarn";
  EXPECT_TRUE(throws_error([&] { read(later); }, ErrorCode::kModel,
                           {"key rope_parameters.rope_type: expected default, got yarn"}));
}

TEST_F(QwenConfigTest, TakesSeveralEndTokensAndThoseOfTheGenerationFile) {
  EXPECT_EQ(with("eos_token_id", {151645, 151643}).eos_token_id,
            (std::vector<int32_t>{151645, 151643}));
  const std::string config = folder_.write("config.json", kOfficial);
  const auto ends = [&](const std::string& generation) {
    return read_qwen_config(config, folder_.write("generation_config.json", generation))
        .eos_token_id;
  };
  EXPECT_EQ(ends(R"({"eos_token_id": 151643})"), std::vector<int32_t>{151643});
  EXPECT_EQ(ends(R"({"eos_token_id": [1, 2]})"), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(ends(R"({"do_sample": true})"), std::vector<int32_t>{151645});
  EXPECT_TRUE(throws_error([&] { ends(R"({"eos_token_id": 151936})"); }, ErrorCode::kModel,
                           {"generation_config.json: key eos_token_id", "got 151936"}));
}

TEST_F(QwenConfigTest, RefusesWhatIsNoQwen3) {
  EXPECT_TRUE(refuses("model_type", "qwen2", {"qwen3", "got qwen2"}));
  EXPECT_TRUE(refuses("model_type", nullptr, {"text", "got nothing"}));
  EXPECT_TRUE(refuses("hidden_act", "gelu", {"silu", "got gelu"}));
  EXPECT_TRUE(refuses("attention_bias", true, {"false", "got true"}));
  EXPECT_TRUE(refuses("use_sliding_window", true, {"false", "got true"}));
  EXPECT_TRUE(refuses("rope_scaling", {{"type", "yarn"}}, {"nothing", "yarn"}));
}

TEST_F(QwenConfigTest, RefusesSizesThatAreMissingOrWrong) {
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "num_key_value_heads"}) {
    EXPECT_TRUE(refuses(key, nullptr, {"a whole number from 1", "got nothing"}));
    EXPECT_TRUE(refuses(key, 0, {"a whole number from 1", "got 0"}));
    EXPECT_TRUE(refuses(key, "16", {"a whole number from 1", "got 16"}));
    EXPECT_TRUE(refuses(key, 1 << 30, {"a whole number from 1"}));
  }
  EXPECT_TRUE(refuses("num_key_value_heads", 5, {"a divisor of num_attention_heads 16", "got 5"}));
  EXPECT_TRUE(refuses("head_dim", 127, {"an even number", "got 127"}));
  EXPECT_TRUE(refuses("rms_norm_eps", -1, {"a number from 0 to 1", "got -1"}));
  EXPECT_TRUE(refuses("rope_theta", nullptr, {"a number from 1", "got nothing"}));
  EXPECT_TRUE(refuses("tie_word_embeddings", 1, {"true or false", "got 1"}));
  EXPECT_TRUE(refuses("eos_token_id", nullptr, {"a token id", "got nothing"}));
  EXPECT_TRUE(refuses("eos_token_id", json::array(), {"a token id", "got []"}));
  EXPECT_TRUE(refuses("eos_token_id", 151936, {"from 0 to 151935", "got 151936"}));
  EXPECT_TRUE(refuses("eos_token_id", {151645, "x"}, {"a list of whole numbers"}));
}

TEST_F(QwenConfigTest, RefusesFilesThatAreMissingOrNoJson) {
  EXPECT_TRUE(throws_error([&] { read_qwen_config(folder_.path() / "config.json"); },
                           ErrorCode::kNotFound, {"config.json"}));
  const std::string path = folder_.write("config.json", "{\"model_type\": ");
  EXPECT_TRUE(throws_error([&] { read_qwen_config(path); }, ErrorCode::kOpenRead,
                           {"config.json", "JSON object"}));
}

}  // namespace
}  // namespace indextts2
