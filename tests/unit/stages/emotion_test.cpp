// Emotion: scaling, normalising, mixing and the errors of the table.
#include "stages/emotion.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "core/error.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

constexpr std::array<int64_t, kNumEmotions> kGroups = {3, 17, 2, 8, 4, 5, 10, 24};

EmotionTable tiny_table(const std::array<int64_t, kNumEmotions>& groups = kGroups) {
  const std::string folder = INDEXTTS2_TINY_MODEL;
  return EmotionTable(Weights(open_checkpoint(folder + "/feat1.pt"), {}),
                      Weights(open_checkpoint(folder + "/feat2.pt"), {}), groups);
}

at::Tensor constant(int64_t width, float value) {
  return host_tensor(std::vector<float>(width, value), {1, width});
}

VoiceFeatures flat_voice() {
  VoiceFeatures voice;
  voice.style = constant(192, 0.1f);
  voice.base_emovec = constant(128, 1);
  voice.own_emovec = constant(128, 2);
  return voice;
}

double only_value(const at::Tensor& tensor) {
  EXPECT_EQ(tensor.min().item<double>(), tensor.max().item<double>());
  return tensor.max().item<double>();
}

TEST(EmotionVector, ScalesByTruncating) {
  const EmotionVector vector = {0.3, 0.123456, 0, 1, 0, 0, 0, -0.3};
  EXPECT_EQ(scale_emotion_vector(vector, 1), vector);
  EXPECT_EQ(scale_emotion_vector(vector, 7), vector);
  EXPECT_EQ(scale_emotion_vector(vector, -1), EmotionVector{});
  const EmotionVector half = scale_emotion_vector(vector, 0.37);
  EXPECT_DOUBLE_EQ(half[1], 0.0456);  // not 0.0457
  EXPECT_DOUBLE_EQ(half[3], 0.37);
  EXPECT_LE(half[7], 0);
}

TEST(EmotionVector, NormalisesToAtMostPointEight) {
  const EmotionVector much = normalize_emotion_vector({1, 1, 1, 1, 1, 1, 1, 1});
  EXPECT_NEAR(std::accumulate(much.begin(), much.end(), 0.0), 0.8, 1e-12);
  EXPECT_NEAR(much[7] / much[2], 0.5625, 1e-12);
  const EmotionVector little = {0.1, 0, 0, 0.2, 0, 0, 0, 0};
  EXPECT_EQ(normalize_emotion_vector(little, /*apply_bias=*/false), little);
  EXPECT_NEAR(normalize_emotion_vector(little)[0], 0.09375, 1e-12);
}

TEST(EmotionTable, WithoutAClipAlphaDoesNotMatter) {
  EmotionChoice choice;
  for (const double alpha : {0.0, 0.5, 1.0, 3.0}) {
    choice.alpha = alpha;
    EXPECT_EQ(only_value(tiny_table().emotion_vector(flat_voice(), choice)), 2);
  }
}

TEST(EmotionTable, ClipIsMixedByRawAlpha) {
  VoiceFeatures voice = flat_voice();
  voice.clip_emovec = constant(128, 5);
  EmotionChoice choice;
  for (const auto& [alpha, wanted] :
       {std::pair{0.0, 1.0}, std::pair{0.5, 3.0}, std::pair{1.0, 5.0}, std::pair{1.5, 7.0}}) {
    choice.alpha = alpha;
    EXPECT_NEAR(only_value(tiny_table().emotion_vector(voice, choice)), wanted, 1e-6);
  }
}

TEST(EmotionTable, VectorOverridesTheClip) {
  VoiceFeatures voice = flat_voice();
  voice.clip_emovec = constant(128, 5);
  EmotionChoice choice;
  choice.vector = EmotionVector{};
  EXPECT_EQ(only_value(tiny_table().emotion_vector(voice, choice)),
            2);  // the speaker's own emotion
}

TEST(EmotionTable, NearestRowsFindTheSpeakerItself) {
  const at::Tensor styles =
      open_checkpoint(std::string(INDEXTTS2_TINY_MODEL) + "/feat1.pt")->tensor("").to(at::kFloat);
  const EmotionRows rows = tiny_table().nearest_rows(styles.narrow(0, 3 + 5, 1).mul(3));
  EXPECT_EQ(rows[1], 5);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_GE(rows[i], 0);
    EXPECT_LT(rows[i], kGroups[i]);
  }
}

TEST(EmotionTable, RowsChangeTheResult) {
  EmotionChoice choice;
  choice.vector = EmotionVector{0, 0.5, 0, 0, 0, 0, 0, 0};
  choice.rows = EmotionRows{0, 3, 0, 0, 0, 0, 0, 0};
  const at::Tensor first = tiny_table().emotion_vector(flat_voice(), choice);
  (*choice.rows)[1] = 16;
  const at::Tensor other = tiny_table().emotion_vector(flat_voice(), choice);
  EXPECT_GT(first.sub(other).abs().max().item<double>(), 0);
}

TEST(EmotionTable, RefusesBadSettings) {
  const EmotionTable table = tiny_table();
  EmotionChoice choice;
  choice.vector = EmotionVector{};
  choice.rows = EmotionRows{3, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_THROW(table.emotion_vector(flat_voice(), choice), Error);
  choice.rows = EmotionRows{-1, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_THROW(table.emotion_vector(flat_voice(), choice), Error);
  choice.rows.reset();
  (*choice.vector)[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(table.emotion_vector(flat_voice(), choice), Error);
  choice.vector.reset();
  choice.alpha = std::numeric_limits<double>::infinity();
  EXPECT_THROW(table.emotion_vector(flat_voice(), choice), Error);
}

TEST(EmotionTable, RefusesGroupsThatDoNotFit) {
  EXPECT_THROW(tiny_table({3, 17, 2, 8, 4, 5, 10, 25}), Error);
}

}  // namespace
}  // namespace indextts2
