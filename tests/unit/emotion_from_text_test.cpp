// Speech with an emotion told in words, on the whole engine: a tiny voice, and a tiny emotion model
// that answers "happy 0.9" to everything.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "device_pool_rig.h"
#include "support/linked_folder.h"
#include "support/temp_folder.h"
#include "support/tiny_emotion_model.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;
using Sounds = std::vector<std::vector<float>>;

constexpr char kText[] = "One. Two is a little longer.";

// Sounds of all texts, and errors.
struct Heard {
  Sounds sounds;
  std::vector<std::string> errors;
  std::vector<ErrorCode> codes;
};

Heard speak(Engine& engine, const std::vector<SpeakOptions>& texts) {
  const auto session = engine.open_session({});
  for (const SpeakOptions& options : texts) session->push(kText, voice_options(), options);
  session->finish();
  Heard heard;
  Wave wave;
  for (;;) {
    try {
      const Next next = session->next(&wave, true);
      if (next == Next::kWave) heard.sounds.push_back(std::move(wave.samples));
      if (next == Next::kEnd) return heard;
    } catch (const Error& error) {
      heard.errors.push_back(std::to_string(error.text_id) + " " + error.what());
      heard.codes.push_back(error.code);
    }
  }
}

SpeakOptions words(const std::string& text) {
  SpeakOptions options = short_speech();
  options.emotion.text = text;
  return options;
}

class EmotionFromText : public testing::Test {
 protected:
  EmotionFromText() {
    g_model = (folder_.path() / "model").string();
    g_clip = REFERENCE "/voice.wav";
    g_segment_tokens = 12;
    link_folder(REFERENCE "/tiny", g_model);
  }
  void add_emotion_model() const {
    write_tiny_emotion_model(fs::path(g_model) / "qwen0.6bemo4-merge", REFERENCE "/byte_bpe");
  }

  TempFolder folder_;
};

void sounds_as_its_vector(const std::string& device) {
  const auto engine = factory().open_engine(options_for({device}));
  SpeakOptions vector = short_speech();
  vector.emotion.vector = std::array<double, 8>{0.9, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(engine->stats().stage_seconds.count("emotion from text"), 0u);
  SpeakOptions own = short_speech();
  own.emotion.from_text = true;
  SpeakOptions replaced = words("glad");
  replaced.emotion.vector = std::array<double, 8>{0, 0, 0.5, 0, 0, 0, 0, 0};
  const Sounds first = speak(*engine, {words("glad")}).sounds;  // while the voice is made
  const Sounds given = speak(*engine, {vector}).sounds;
  ASSERT_FALSE(given.empty());
  EXPECT_EQ(first, given);
  EXPECT_EQ(speak(*engine, {own}).sounds, given);
  EXPECT_EQ(speak(*engine, {replaced}).sounds, given);
  EXPECT_NE(speak(*engine, {short_speech()}).sounds, given);
  for (SpeakOptions* options : {&vector, &own}) options->emotion.alpha = 0.37;
  const Sounds weaker = speak(*engine, {vector}).sounds;
  EXPECT_NE(weaker, given);
  EXPECT_EQ(speak(*engine, {own}).sounds, weaker);
  EXPECT_EQ(engine->stats().stage_seconds.count("emotion from text"), 1u);
  EXPECT_EQ(engine->stats().memory_parts.at(device).count("emotion from text"), 1u);
}

TEST_F(EmotionFromText, SoundsAsItsVectorOnTheCpu) {
  add_emotion_model();
  sounds_as_its_vector("cpu");
}
TEST_F(EmotionFromText, SoundsAsItsVectorOnAGpu) {
  if (!has_cuda()) {
    std::printf("left out: no CUDA device here (emotion from text)\n");
    return;
  }
  add_emotion_model();
  sounds_as_its_vector("cuda:0");
}

// The folder is looked for when a text needs it, and again when the next one does.
TEST_F(EmotionFromText, WithoutTheFolderOnlyItsTextsFail) {
  const auto engine = factory().open_engine(options_for({"cpu"}));
  const Heard heard = speak(*engine, {short_speech(), words("glad"), short_speech()});
  EXPECT_EQ(heard.sounds.size(), 2 * speak(*engine, {short_speech()}).sounds.size());
  ASSERT_EQ(heard.errors.size(), 1u);
  EXPECT_EQ(heard.codes[0], ErrorCode::kNotFound);
  for (const std::string& part : {std::string("2 emotion from text"), g_model,
                                  std::string("qwen0.6bemo4-merge"), std::string("vector")}) {
    EXPECT_NE(heard.errors[0].find(part), std::string::npos) << heard.errors[0];
  }
  add_emotion_model();
  EXPECT_TRUE(speak(*engine, {words("glad")}).errors.empty());
}

// Told without the model, which is not there.
TEST_F(EmotionFromText, WordsThatAreNotUtf8FailAtOnce) {
  const auto engine = factory().open_engine(options_for({"cpu"}));
  const Heard heard = speak(*engine, {words("gl\xff"), short_speech()});
  EXPECT_EQ(heard.codes, (std::vector<ErrorCode>{ErrorCode::kTextDecode}));
  EXPECT_EQ(heard.sounds.size(), speak(*engine, {short_speech()}).sounds.size());
  ASSERT_EQ(heard.errors.size(), 1u);
  for (const char* part : {"1 emotion from text", "0xFF", "offset 2", "UTF-8"}) {
    EXPECT_NE(heard.errors[0].find(part), std::string::npos) << heard.errors[0];
  }
}

TEST_F(EmotionFromText, AnErrorNamesTheModelAndItsDevice) {
  write_tiny_emotion_model(fs::path(g_model) / "qwen0.6bemo4-merge", REFERENCE "/byte_bpe",
                           {tiny_tokens("hm"), true});
  const auto engine = factory().open_engine(options_for({"cpu"}));
  const Heard heard = speak(*engine, {words("glad"), short_speech()});
  EXPECT_EQ(heard.codes, (std::vector<ErrorCode>{ErrorCode::kSynthesis}));
  EXPECT_FALSE(heard.sounds.empty());
  ASSERT_EQ(heard.errors.size(), 1u);
  for (const std::string& part :
       {std::string("1 emotion model "), g_model, std::string("qwen0.6bemo4-merge on cpu: "),
        std::string("512 tokens"), std::string("vector")}) {
    EXPECT_NE(heard.errors[0].find(part), std::string::npos) << heard.errors[0];
  }
}

TEST_F(EmotionFromText, ADamagedModelFailsItsTextsOnly) {
  add_emotion_model();
  folder_.write("model/qwen0.6bemo4-merge/chat_template.jinja", "[INST]");
  const auto engine = factory().open_engine(options_for({"cpu"}));
  const Heard heard = speak(*engine, {words("glad"), words("sad"), short_speech()});
  EXPECT_EQ(heard.codes, (std::vector<ErrorCode>{ErrorCode::kModel, ErrorCode::kModel}));
  EXPECT_FALSE(heard.sounds.empty());
}

}  // namespace
}  // namespace indextts2
