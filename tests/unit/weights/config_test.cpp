// The model configuration: what is read, what is refused and how the refusal reads.
#include "weights/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/temp_folder.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

const std::string kTiny = SOURCE_ROOT "/tests/golden/reference/tiny";
const std::string kCompact = SOURCE_ROOT "/models/compact-en";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The tiny model's configuration with one change in one of its files.
class Config : public testing::Test {
 protected:
  ModelConfig read(const std::string& yaml, const std::string& bigvgan, const std::string& w2v) {
    return read_model_config(folder_.write("config.yaml", yaml),
                             folder_.write("bigvgan.json", bigvgan),
                             folder_.write("w2v.json", w2v));
  }
  static std::string changed(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }
  ModelConfig with_yaml(const std::string& from, const std::string& to) {
    return read(changed(yaml_, from, to), bigvgan_, w2v_);
  }
  testing::AssertionResult refuses_yaml(const std::string& from, const std::string& to,
                                        const std::vector<std::string>& parts) {
    return throws_error([&] { with_yaml(from, to); }, ErrorCode::kModel, parts);
  }
  testing::AssertionResult refuses_bigvgan(const std::string& from, const std::string& to,
                                           const std::vector<std::string>& parts) {
    return throws_error([&] { read(yaml_, changed(bigvgan_, from, to), w2v_); }, ErrorCode::kModel,
                        parts);
  }
  testing::AssertionResult refuses_w2v(const std::string& from, const std::string& to,
                                       const std::vector<std::string>& parts) {
    return throws_error([&] { read(yaml_, bigvgan_, changed(w2v_, from, to)); }, ErrorCode::kModel,
                        parts);
  }

  TempFolder folder_;
  const std::string yaml_ = read_file(kTiny + "/config.yaml");
  const std::string bigvgan_ = read_file(kTiny + "/hf_cache/bigvgan/config.json");
  const std::string w2v_ = read_file(kTiny + "/hf_cache/w2v-bert-2.0/config.json");
};

TEST_F(Config, ReadsTheTinyModel) {
  const ModelConfig config = read(yaml_, bigvgan_, w2v_);
  EXPECT_EQ(config.gpt.model_dim, 128);
  EXPECT_EQ(config.gpt.heads, 2);
  EXPECT_EQ(config.gpt.start_mel_token, 256);
  EXPECT_EQ(config.gpt.stop_mel_token, 257);
  EXPECT_EQ(config.gpt.condition_module.attention_heads, 3);
  EXPECT_EQ(config.gpt.emo_condition_module.output_size, 32);
  EXPECT_EQ(config.codec.hidden_size, 40);
  EXPECT_EQ(config.mel.sr, 22050);
  EXPECT_EQ(config.mel.fmax, 11025);  // "None"
  EXPECT_EQ(config.dit.depth, 5);
  EXPECT_EQ(config.wavenet.kernel_size, 5);
  EXPECT_EQ(config.length_regulator.sampling_ratios.size(), 4u);
  EXPECT_EQ(config.emo_num[7], 24);
  EXPECT_EQ(config.bigvgan.upsample_rates, (std::vector<int64_t>{4, 4, 2, 2, 2, 2}));
  EXPECT_EQ(config.bigvgan.resblock_dilation_sizes[2], (std::vector<int64_t>{1, 3, 5}));
  EXPECT_EQ(config.w2v.num_attention_heads, 2);
  EXPECT_EQ(config.files.gpt_checkpoint, "gpt.pth");
  EXPECT_EQ(config.files.bpe_model, "bpe.model");
}

TEST_F(Config, AbsentKeysOfOursHaveTheOfficialValues) {
  const ModelConfig config = read(yaml_, bigvgan_, w2v_);
  EXPECT_EQ(config.semantic_feature_layer, 17);  // of 19
  EXPECT_EQ(config.campplus.growth_rate, 32);
  EXPECT_EQ(config.campplus.init_channels, 128);
  EXPECT_EQ(config.generation.temperature, 0.8);
  EXPECT_EQ(config.generation.top_p, 0.8);
  EXPECT_EQ(config.generation.top_k, 30);
  EXPECT_EQ(config.generation.num_beams, 3);
  EXPECT_EQ(config.generation.repetition_penalty, 10);
  EXPECT_EQ(config.generation.length_penalty, 0);
  EXPECT_EQ(config.generation.max_mel_tokens, 1500);
  EXPECT_EQ(config.generation.max_segment_tokens, 120);
  EXPECT_EQ(config.generation.diffusion_steps, 25);
  EXPECT_EQ(config.generation.guidance, 0.7);
}

TEST_F(Config, ReadsKeysOfOurs) {
  const ModelConfig config =
      read_model_config(kCompact + "/config.yaml", kCompact + "/hf_cache/bigvgan/config.json",
                        kCompact + "/hf_cache/w2v-bert-2.0/config.json");
  EXPECT_EQ(config.semantic_feature_layer, 3);
  EXPECT_EQ(config.campplus.growth_rate, 6);
  EXPECT_EQ(config.campplus.init_channels, 24);
  EXPECT_EQ(config.generation.temperature, 0.6);
  EXPECT_EQ(config.generation.num_beams, 1);
  EXPECT_EQ(config.generation.repetition_penalty, 1);
  EXPECT_EQ(config.generation.max_mel_tokens, 700);
  EXPECT_EQ(config.generation.max_segment_tokens, 160);
  EXPECT_EQ(config.generation.diffusion_steps, 10);
  EXPECT_EQ(config.gpt.condition_module.perceiver_mult, 1);
}

TEST_F(Config, FewerLayersThanSeventeenUseTheLast) {
  const ModelConfig config =
      read(yaml_, bigvgan_, changed(w2v_, "\"num_hidden_layers\": 19", "\"num_hidden_layers\": 4"));
  EXPECT_EQ(config.semantic_feature_layer, 4);
  EXPECT_TRUE(refuses_yaml("version:", "semantic_feature_layer: 20\nversion:",
                           {"semantic_feature_layer", "1 to 19", "got 20"}));
}

TEST_F(Config, RefusesOtherVersionsByName) {
  EXPECT_TRUE(
      refuses_yaml("version: 2.0", "version: 2.5", {"IndexTTS 2.5", "config.yaml", "IndexTTS-2"}));
  EXPECT_TRUE(refuses_yaml("gpt:\n", "gpt:\n  spk_cond_mode: campplus\n",
                           {"IndexTTS 2.5", "spk_cond_mode"}));
  EXPECT_TRUE(refuses_yaml("version: 2.0", "version: 1.5", {"IndexTTS 1.x", "1.5"}));
  EXPECT_TRUE(refuses_yaml("s2mel:\n", "other:\n", {"IndexTTS 1.x", "s2mel"}));
  EXPECT_EQ(with_yaml("version: 2.0", "").gpt.heads,
            2);  // a folder without the key is judged by its sections
}

TEST_F(Config, ErrorsNameFileKeyExpectedAndGot) {
  EXPECT_TRUE(refuses_yaml("  heads: 2\n", "",
                           {"config.yaml", "gpt.heads", "whole number", "got nothing"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: two", {"gpt.heads", "got two"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: \"2\"", {"gpt.heads"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: 2.5", {"gpt.heads", "2.5"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: 0", {"gpt.heads", "from 1", "got 0"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: 99999999999999999999", {"gpt.heads"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: 3", {"gpt.heads", "divisor", "128"}));
  EXPECT_TRUE(refuses_yaml("heads: 2", "heads: [2]", {"gpt.heads"}));
  EXPECT_TRUE(refuses_yaml("start_mel_token: 256", "start_mel_token: 258",
                           {"gpt.start_mel_token", "0 to 257"}));
  EXPECT_TRUE(refuses_yaml("is_causal: false", "is_causal: true",
                           {"s2mel.DiT.is_causal", "expected false"}));
  EXPECT_TRUE(
      refuses_yaml("is_causal: false", "is_causal: 0", {"s2mel.DiT.is_causal", "true or false"}));
  EXPECT_TRUE(
      refuses_yaml("final_layer_type: wavenet", "final_layer_type: mlp", {"wavenet", "got mlp"}));
  EXPECT_TRUE(refuses_yaml("gpt_checkpoint: gpt.pth", "gpt_checkpoint: \"\"",
                           {"gpt_checkpoint", "file name"}));
  EXPECT_TRUE(refuses_yaml("emo_num:\n- 3\n", "emo_num:\n", {"emo_num", "8 numbers"}));
  EXPECT_TRUE(refuses_yaml(
      "version:", "generation: {temperature: -1}\nversion:", {"generation.temperature"}));
  EXPECT_TRUE(refuses_yaml(
      "version:", "generation: {num_beams: 11}\nversion:", {"generation.num_beams", "1 to 10"}));
  EXPECT_TRUE(refuses_yaml("gpt:\n", "gpt: 3\nother:\n", {"gpt."}));
  EXPECT_TRUE(
      refuses_bigvgan("\"snakebeta\"", "\"snake\"", {"bigvgan.json", "activation", "got snake"}));
  EXPECT_TRUE(refuses_bigvgan("\"resblock\": \"1\"", "\"resblock\": \"2\"", {"resblock", "got 2"}));
  EXPECT_TRUE(refuses_bigvgan("\"use_bias_at_final\": false,", "", {"use_bias_at_final"}));
  EXPECT_TRUE(refuses_w2v("\"hidden_act\": \"swish\"", "\"hidden_act\": \"gelu\"",
                          {"w2v.json", "hidden_act", "gelu"}));
  EXPECT_TRUE(
      refuses_w2v("\"relative_key\"", "\"rotary\"", {"position_embeddings_type", "rotary"}));
}

TEST_F(Config, RefusesFilesThatDisagree) {
  EXPECT_TRUE(refuses_bigvgan("\"num_mels\": 80", "\"num_mels\": 100",
                              {"num_mels", "expected 80", "got 100"}));
  EXPECT_TRUE(refuses_yaml("hop_length: 256\n      n_mels: 80", "hop_length: 128\n      n_mels: 80",
                           {"upsample_rates", "expected 128", "got 256"}));
  EXPECT_TRUE(refuses_w2v("\"hidden_size\": 40", "\"hidden_size\": 42",
                          {"semantic_codec.hidden_size", "42", "got 40"}));
  EXPECT_TRUE(
      refuses_yaml("content_dim: 56", "content_dim: 57", {"content_dim", "expected 56", "got 57"}));
}

TEST_F(Config, RefusesFilesOfAnotherKind) {
  const auto refuses = [&](const std::string& yaml, const std::string& json,
                           const std::string& part) {
    return throws_error([&] { read(yaml, json, w2v_); }, ErrorCode::kOpenRead, {part});
  };
  EXPECT_TRUE(refuses("a: [1", bigvgan_, "config.yaml"));
  EXPECT_TRUE(refuses("just text", bigvgan_, "config.yaml"));
  EXPECT_TRUE(refuses(std::string(100000, '['), bigvgan_, "config.yaml"));
  EXPECT_TRUE(refuses(std::string(5 << 20, ' '), bigvgan_, "5242880 bytes"));
  EXPECT_TRUE(refuses("", bigvgan_, "empty"));
  std::string bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
  for (int level = 1; level < 12; ++level) {
    const std::string before = "*a" + std::to_string(level - 1);
    bomb += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [" + before;
    for (int i = 0; i < 9; ++i) bomb += "," + before;
    bomb += "]\n";
  }
  EXPECT_TRUE(refuses(bomb, bigvgan_, "too large"));
  EXPECT_TRUE(refuses(yaml_, "{", "bigvgan.json"));
  EXPECT_TRUE(refuses(yaml_, "[]", "JSON object"));
  EXPECT_TRUE(refuses(yaml_, std::string(100000, '['), "bigvgan.json"));
  EXPECT_TRUE(throws_error([&] { read_model_config("/nonexistent/config.yaml", "", ""); },
                           ErrorCode::kNotFound, {"/nonexistent/config.yaml"}));
}

}  // namespace
}  // namespace indextts2
