// Tests of the reader of emotions on a tiny model whose answer is known.
#include "stages/text_emotion.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/temp_folder.h"
#include "support/tiny_emotion_model.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

constexpr EmotionScores kHappy = {0.9, 0, 0, 0, 0, 0, 0, 0}, kCalm = {0, 0, 0, 0, 0, 0, 0, 1};

class TextEmotionTest : public testing::Test {
 protected:
  TextEmotionTest() { answer({}); }
  void answer(const TinyAnswer& answer) {
    write_tiny_emotion_model(folder_.path() / "emo", GOLDEN_DIR "/reference/byte_bpe", answer);
  }
  TextEmotion open(at::ScalarType dtype = at::kFloat) const {
    return TextEmotion(find_emotion_model(folder_.path().string(), "emo/"),
                       WeightsOptions{at::kCPU, dtype, {}, {}});
  }

  TempFolder folder_;
};

TEST_F(TextEmotionTest, ReadsTheModelsAnswer) {
  const TextEmotion emotion = open();
  EXPECT_EQ(emotion.read("what a day", {}), kHappy);
  EXPECT_EQ(emotion.read("", {}), kHappy);
  EXPECT_EQ(open(at::kHalf).read("今天真开心", {}), kHappy);
}

// The tokenizer leaves the token out, so that nothing in the answer's text shows where it was.
TEST_F(TextEmotionTest, LeavesOutTheThoughtBeforeTheAnswer) {
  TinyAnswer thinking;
  thinking.ids = tiny_tokens("hm");
  thinking.ids.push_back(kTinyThoughtEnd);
  for (const int32_t id : TinyAnswer().ids) thinking.ids.push_back(id);
  answer(thinking);
  const fs::path path = folder_.path() / "emo" / "tokenizer.json";
  nlohmann::json tokenizer = nlohmann::json::parse(std::ifstream(path));
  for (nlohmann::json& token : tokenizer["added_tokens"]) token["special"] = true;
  folder_.write("emo/tokenizer.json", tokenizer.dump());
  EXPECT_EQ(open().read("x", {}), kHappy);
}

TEST_F(TextEmotionTest, AnAnswerWithoutScoresIsCalm) {
  answer({tiny_tokens("hm"), false});
  EXPECT_EQ(open().read("x", {}), kCalm);
}

// Scores at its beginning are no reason to take it.
TEST_F(TextEmotionTest, AnEndlessAnswerIsAnError) {
  answer({tiny_tokens("高兴:0.9 hm"), true});
  std::atomic<int> polls{0};
  const StopToken stop([&] {
    ++polls;
    return false;
  });
  const TextEmotion emotion = open();
  EXPECT_TRUE(throws_error([&] { emotion.read("x", stop); }, ErrorCode::kSynthesis,
                           {"512 tokens", "no end", "80", "vector"}));
  EXPECT_EQ(polls, TextEmotion::kMaxAnswerTokens);
  try {
    emotion.read("x", {});
  } catch (const Error& error) {
    EXPECT_EQ(error.detail.substr(0, 12), "高兴:0.9 h");
  }
}

TEST_F(TextEmotionTest, StopsBetweenTwoTokens) {
  answer({tiny_tokens("hm"), true});
  const TextEmotion emotion = open();
  int polls = 0;
  EXPECT_TRUE(throws_error([&] { emotion.read("x", StopToken([&] { return ++polls == 5; })); },
                           ErrorCode::kCancelled, {}));
  EXPECT_EQ(polls, 5);
}

TEST_F(TextEmotionTest, RefusesFilesThatAreDamagedOrDoNotFit) {
  const auto refused = [&](ErrorCode code, const std::vector<std::string>& parts) {
    return throws_error([&] { open().read("x", {}); }, code, parts);
  };
  EXPECT_TRUE(throws_error([&] { open().read("\xff", {}); }, ErrorCode::kTextDecode, {}));
  folder_.write("emo/tokenizer.json", "{\"model\":");
  EXPECT_TRUE(refused(ErrorCode::kOpenRead, {"tokenizer.json"}));
  answer({});
  folder_.write("emo/chat_template.jinja", "[INST]");
  EXPECT_TRUE(refused(ErrorCode::kModel, {"chat_template.jinja", "[INST]"}));
  answer({});
  folder_.write("emo/config.json", "{\"model_type\": \"llama\"}");
  EXPECT_TRUE(refused(ErrorCode::kModel, {"config.json", "llama", "qwen3"}));
  answer({});
  fs::resize_file(folder_.path() / "emo/model.safetensors", 1000);
  EXPECT_TRUE(refused(ErrorCode::kOpenRead, {"model.safetensors"}));
  answer({});
  fs::remove(folder_.path() / "emo/tokenizer.json");
  EXPECT_TRUE(refused(ErrorCode::kNotFound, {"vocab.json"}));
}

}  // namespace
}  // namespace indextts2
