// From text to codes and latents: guards, cancelling, seeds, and the limit of the model.
#include "stages/code_generator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/error.h"
#include "ops/host_tensor.h"
#include "stages/decode_batch.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

std::shared_ptr<const UnifiedVoice> model() {
  static const std::shared_ptr<const UnifiedVoice> kModel = [] {
    const ModelFiles files = find_model_files(std::string(INDEXTTS2_REFERENCE) + "/tiny", "");
    return std::make_shared<const UnifiedVoice>(Weights(open_checkpoint(files.gpt), {}),
                                                read_model_config(files).gpt);
  }();
  return kModel;
}

// Ends after `steps` steps with the given codes.
class ScriptedBatch : public DecodeBatch {
 public:
  ScriptedBatch(std::vector<int64_t> codes, int steps) : codes_(std::move(codes)), steps_(steps) {}
  int capacity() const override { return 1; }
  int free_slots() const override { return busy ? 0 : 1; }
  int admit(DecodeJob job) override {
    busy = true;
    admitted = std::move(job);
    return 0;
  }
  void step() override {
    ++stepped;
    if (on_step) on_step();
  }
  bool finished(int) const override { return stepped >= steps_; }
  DecodeResult release(int) override {
    busy = false;
    return {codes_, false};
  }

  bool busy = false;
  int stepped = 0;
  DecodeJob admitted;
  std::function<void()> on_step;

 private:
  std::vector<int64_t> codes_;
  int steps_;
};

CodeRequest request() {
  std::vector<float> latents(32 * 128), emotion(128);
  fill_normal({1, 0, RandomPurpose::kFlowNoise}, 0, latents.data(), latents.size());
  fill_normal({2, 0, RandomPurpose::kFlowNoise}, 0, emotion.data(), emotion.size());
  CodeRequest out;
  out.speaker_latents = float_tensor(latents).view({1, 32, 128});
  out.emotion = float_tensor(emotion).view({1, 128});
  out.text_ids = {100, 200, 300, 400};
  out.max_codes = 40;
  out.seed = 5;
  return out;
}

CodeGenerator real() {
  return CodeGenerator(model(), std::make_unique<TorchDecodeBatch>(model(), 1));
}

ErrorCode failure_with(std::vector<int64_t> codes) {
  CodeGenerator generator(model(), std::make_unique<ScriptedBatch>(std::move(codes), 1));
  try {
    generator.generate(request(), {});
  } catch (const Error& error) {
    return error.code;
  }
  return ErrorCode::kInternal;
}

TEST(CodeGenerator, CodesThatStandForNoSoundAreErrors) {
  EXPECT_EQ(failure_with({}), ErrorCode::kSynthesis);
  EXPECT_EQ(failure_with({3, 256, 4}), ErrorCode::kSynthesis);  // the start code
  EXPECT_EQ(failure_with({3, 257}), ErrorCode::kSynthesis);     // the stop code
  EXPECT_EQ(failure_with({3, -1}), ErrorCode::kSynthesis);
}

TEST(CodeGenerator, GivesALatentForEveryCode) {
  CodeGenerator generator(model(),
                          std::make_unique<ScriptedBatch>(std::vector<int64_t>{3, 255, 0}, 2));
  const Codes codes = generator.generate(request(), {});
  EXPECT_EQ(codes.codes, (std::vector<int64_t>{3, 255, 0}));
  EXPECT_EQ(codes.latent.sizes(), at::IntArrayRef({1, 3, 128}));
  EXPECT_EQ(codes.latent.scalar_type(), at::kFloat);
}

TEST(CodeGenerator, StopIsTestedBeforeEveryCode) {
  auto batch = std::make_unique<ScriptedBatch>(std::vector<int64_t>{3}, 1000);
  ScriptedBatch& script = *batch;
  CodeGenerator generator(model(), std::move(batch));
  StopSource source;
  script.on_step = [&] {
    if (script.stepped == 7) source.request_stop();
  };
  try {
    generator.generate(request(), source.token());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
  EXPECT_EQ(script.stepped, 7);
  EXPECT_EQ(generator.free_slots(), 1);
  // Asked for beforehand: nothing is begun.
  script.stepped = 0;
  EXPECT_THROW(generator.generate(request(), source.token()), Error);
  EXPECT_EQ(script.stepped, 0);
}

TEST(CodeGenerator, MaxCodesIsLoweredToWhatTheModelHolds) {
  auto batch = std::make_unique<ScriptedBatch>(std::vector<int64_t>{3}, 0);
  ScriptedBatch& script = *batch;
  CodeGenerator generator(model(), std::move(batch));
  CodeRequest wish = request();
  wish.max_codes = 1500;
  wish.segment = 9;
  generator.generate(wish, {});
  EXPECT_EQ(script.admitted.options.max_codes, 180);
  EXPECT_EQ(script.admitted.random.segment, 9u);
  EXPECT_EQ(script.admitted.random.purpose, RandomPurpose::kCodes);
}

TEST(CodeGenerator, SeedAndSegmentDecideTheCodes) {
  CodeGenerator generator = real();
  const Codes first = generator.generate(request(), {}), again = generator.generate(request(), {});
  EXPECT_EQ(first.codes, again.codes);
  EXPECT_TRUE(first.latent.equal(again.latent));
  CodeRequest other = request();
  other.seed = 6;
  EXPECT_NE(generator.generate(other, {}).codes, first.codes);
  other = request();
  other.segment = 1;
  EXPECT_NE(generator.generate(other, {}).codes, first.codes);
}

TEST(CodeGenerator, CappedSegmentsSaySo) {
  CodeRequest wish = request();
  wish.max_codes = 3;
  const Codes codes = real().generate(wish, {});
  EXPECT_TRUE(codes.capped);
  EXPECT_EQ(codes.codes.size(), 3u);
}

TEST(CodeGenerator, NotANumberIsASynthesisError) {
  CodeRequest wish = request();
  wish.emotion = wish.emotion.mul(std::nan(""));
  CodeGenerator generator = real();
  try {
    generator.generate(wish, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSynthesis);
  }
  EXPECT_EQ(generator.free_slots(), 1);
}

}  // namespace
}  // namespace indextts2
