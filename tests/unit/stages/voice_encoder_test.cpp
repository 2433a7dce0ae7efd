// Voice encoder on the compact voice: shapes, repeatability, progress, stopping and refusals.
#include "stages/voice_encoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

class VoiceEncoderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const ModelFiles files = find_model_files(INDEXTTS2_COMPACT_MODEL, /*hub_cache=*/"");
    config_ = read_model_config(files);
    const auto open = [](const std::string& path) {
      return Weights(open_checkpoint(path), WeightsOptions{});
    };
    encoder_ = std::make_unique<VoiceEncoder>(
        VoiceEncoderWeights{open(files.w2v), open(files.w2v_stat), open(files.codec),
                            open(files.campplus), open(files.s2mel).scope("net.length_regulator"),
                            open(files.gpt)},
        config_);
    voice_ = read_clip(files.prompts.at(0), 15);
  }
  static void TearDownTestSuite() { encoder_.reset(); }

  static ModelConfig config_;
  static std::unique_ptr<VoiceEncoder> encoder_;
  static MonoClip voice_;
};

ModelConfig VoiceEncoderTest::config_;
std::unique_ptr<VoiceEncoder> VoiceEncoderTest::encoder_;
MonoClip VoiceEncoderTest::voice_;

bool same(const at::Tensor& a, const at::Tensor& b) { return a.equal(b); }

TEST_F(VoiceEncoderTest, MakesFeaturesOfTheModelsShapes) {
  EncodeOptions options;
  options.max_seconds = 3;
  const VoiceFeatures voice = encoder_->encode(voice_, nullptr, options);
  const int64_t width = config_.gpt.model_dim, frames = 3 * 22050 / 256;
  EXPECT_DOUBLE_EQ(voice.prompt_seconds, 3);
  EXPECT_EQ(voice.speaker_latents.sizes(), at::IntArrayRef({1, 32, width}));
  EXPECT_EQ(voice.ref_mel.sizes(), at::IntArrayRef({1, 80, frames}));
  EXPECT_EQ(voice.style.sizes(), at::IntArrayRef({1, 192}));
  EXPECT_EQ(voice.prompt_condition.sizes(),
            at::IntArrayRef({1, frames, config_.length_regulator.channels}));
  EXPECT_EQ(voice.base_emovec.sizes(), at::IntArrayRef({1, width}));
  EXPECT_EQ(voice.own_emovec.sizes(), at::IntArrayRef({1, width}));
  EXPECT_FALSE(voice.clip_emovec.defined());
}

TEST_F(VoiceEncoderTest, EmotionClipChangesOnlyItsOwnVector) {
  EncodeOptions options;
  options.max_seconds = 2;
  MonoClip emotion = voice_;
  emotion.samples.erase(emotion.samples.begin(), emotion.samples.begin() + emotion.sample_rate_hz);
  const VoiceFeatures plain = encoder_->encode(voice_, nullptr, options);
  const VoiceFeatures moved = encoder_->encode(voice_, &emotion, options);
  EXPECT_TRUE(same(plain.speaker_latents, moved.speaker_latents));
  EXPECT_TRUE(same(plain.prompt_condition, moved.prompt_condition));
  EXPECT_TRUE(same(plain.style, moved.style));
  EXPECT_TRUE(same(plain.own_emovec, moved.own_emovec));
  ASSERT_TRUE(moved.clip_emovec.defined());
  EXPECT_FALSE(same(moved.clip_emovec, moved.own_emovec));
}

TEST_F(VoiceEncoderTest, TellsEachStep) {
  std::vector<int> seen;
  int announced = 0;
  EncodeOptions options;
  options.max_seconds = 1;
  options.progress = [&](int done, int total) {
    seen.push_back(done);
    announced = total;
  };
  encoder_->encode(voice_, &voice_, options);
  ASSERT_EQ(static_cast<int>(seen.size()), announced);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<int>(i) + 1);
}

TEST_F(VoiceEncoderTest, StopsBetweenSteps) {
  StopSource source;
  int steps = 0;
  EncodeOptions options;
  options.stop = source.token();
  options.progress = [&](int done, int) {
    steps = done;
    if (done == 2) source.request_stop();
  };
  try {
    encoder_->encode(voice_, nullptr, options);
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
  EXPECT_EQ(steps, 2);
}

TEST_F(VoiceEncoderTest, TwoPartsAreTheWhole) {
  EncodeOptions options;
  options.max_seconds = 2.01;  // no whole number of frames
  const VoiceFeatures whole = encoder_->encode(voice_, &voice_, options);
  std::vector<int> seen;
  options.progress = [&](int done, int) { seen.push_back(done); };
  VoiceDraft draft = encoder_->begin(voice_, &voice_, options);
  const VoiceFeatures& early = draft.voice;
  EXPECT_FALSE(early.ref_mel.defined() || early.style.defined() ||
               early.prompt_condition.defined());
  EXPECT_EQ(seen, std::vector<int>({1, 2, 3, 4}));
  EXPECT_EQ(early.prompt_seconds, whole.prompt_seconds);
  EXPECT_TRUE(same(early.speaker_latents, whole.speaker_latents));
  EXPECT_TRUE(same(early.base_emovec, whole.base_emovec));
  EXPECT_TRUE(same(early.own_emovec, whole.own_emovec));
  EXPECT_TRUE(same(early.clip_emovec, whole.clip_emovec));
  EXPECT_EQ(draft.prompt_frames, whole.ref_mel.size(2));
  const VoicePrompt late = encoder_->finish(std::move(draft), options);
  EXPECT_EQ(seen, std::vector<int>({1, 2, 3, 4, 5, 6, 7}));
  EXPECT_TRUE(same(late.ref_mel, whole.ref_mel));
  EXPECT_TRUE(same(late.style, whole.style));
  EXPECT_TRUE(same(late.prompt_condition, whole.prompt_condition));
}

TEST_F(VoiceEncoderTest, TheLatePartStopsToo) {
  EncodeOptions options;
  options.max_seconds = 1;
  VoiceDraft draft = encoder_->begin(voice_, nullptr, options);
  StopSource source;
  options.stop = source.token();
  options.progress = [&](int, int) { source.request_stop(); };
  EXPECT_THROW(encoder_->finish(std::move(draft), options), Error);
}

TEST_F(VoiceEncoderTest, RefusesAShortSpeakerClipButNotAShortCry) {
  MonoClip brief = voice_;
  brief.samples.resize(static_cast<size_t>(0.5 * brief.sample_rate_hz));
  EncodeOptions options;
  options.max_seconds = 1;
  EXPECT_NO_THROW(encoder_->encode(voice_, &brief, options));
  EXPECT_THROW(encoder_->encode(brief, nullptr, options), Error);
  brief.samples.resize(static_cast<size_t>(0.1 * brief.sample_rate_hz));
  EXPECT_THROW(encoder_->encode(voice_, &brief, options), Error);
}

}  // namespace
}  // namespace indextts2
