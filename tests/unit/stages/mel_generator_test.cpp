// Codes to mel and mel to sound on the tiny model.
#include "stages/mel_generator.h"

#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "ops/host_tensor.h"
#include "stages/torch_networks.h"
#include "stages/vocoder.h"
#include "support/near.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

class MelGeneratorTest : public testing::Test {
 protected:
  MelGeneratorTest()
      : files(find_model_files(INDEXTTS2_TINY_MODEL, "")),
        config(read_model_config(files)),
        generator(Weights(open_checkpoint(files.s2mel), {}),
                  Weights(open_checkpoint(files.codec), {}), config) {}

  static constexpr int64_t kPrompt = 12;

  at::Tensor generate(const at::Tensor& codes, const at::Tensor& noise) const {
    const at::Tensor latent =
        at::ones_like(codes, at::kFloat).unsqueeze(2).expand({-1, -1, config.gpt.model_dim});
    FlowOptions options;
    options.steps = 2;
    return generator.generate(codes, latent, prompt, noise, options, StopToken());
  }
  at::Tensor noise(int64_t num_codes) const {
    return at::randn({1, 80, kPrompt + mel_frames(num_codes)});
  }

  const ModelFiles files;
  const ModelConfig config;
  const MelGenerator generator;
  const MelPrompt prompt{at::randn({1, 80, kPrompt}), at::randn({1, kPrompt, 56}),
                         at::randn({1, 192})};
};

TEST(MelFrames, AreTheFloorOfTheFloatProduct) {
  EXPECT_EQ(mel_frames(1), 1);
  EXPECT_EQ(mel_frames(25), 43);    // exactly 43
  EXPECT_EQ(mel_frames(100), 172);  // exactly 172
  EXPECT_EQ(mel_frames(1500), 2580);
  for (int64_t n = 1; n < 2000; ++n) ASSERT_EQ(mel_frames(n), n * 172 / 100) << n;
}

TEST_F(MelGeneratorTest, MakesTheFramesOfTheCodes) {
  for (const int64_t n : {1, 2, 9}) {
    const at::Tensor mel = generate(
        int64_tensor(std::vector<int64_t>(static_cast<size_t>(n), 3)).unsqueeze(0), noise(n));
    EXPECT_EQ(mel.sizes(), at::IntArrayRef({1, 80, mel_frames(n)}));
    EXPECT_TRUE(mel.isfinite().all().item<bool>());
  }
}

TEST_F(MelGeneratorTest, DependsOnCodesAndNoise) {
  const at::Tensor draw = noise(3), codes = int64_tensor({1, 2, 3}).unsqueeze(0);
  const at::Tensor mel = generate(codes, draw);
  EXPECT_EQ(largest_difference(mel, generate(codes, draw)), 0.0);
  EXPECT_GT(largest_difference(mel, generate(int64_tensor({1, 2, 4}).unsqueeze(0), draw)), 1e-4);
  EXPECT_GT(largest_difference(mel, generate(codes, noise(3))), 1e-4);
}

TEST_F(MelGeneratorTest, RefusesCodesWithoutSound) {
  EXPECT_THROW(generate(int64_tensor({}).unsqueeze(0), noise(0)), Error);
  EXPECT_THROW(generate(int64_tensor({1, config.gpt.start_mel_token}).unsqueeze(0), noise(2)),
               Error);
  EXPECT_THROW(generate(int64_tensor({-1}).unsqueeze(0), noise(1)), Error);
}

TEST_F(MelGeneratorTest, RefusesACodecOfAnotherModel) {
  // The vocoder's file has no codebook.
  EXPECT_THROW(MelGenerator(Weights(open_checkpoint(files.s2mel), {}),
                            Weights(open_checkpoint(files.bigvgan), {}), config),
               Error);
}

TEST_F(MelGeneratorTest, VocoderMakesSound) {
  const auto network = load_vocoder(Weights(open_checkpoint(files.bigvgan), {}), config);
  const Vocoder vocoder(*network);
  TorchWaveDecoder decoder(network);
  const std::vector<float> sound = vocoder.decode(at::randn({1, 80, 4}), decoder, StopToken());
  EXPECT_EQ(sound.size(), 4u * 256u);
  EXPECT_THROW(vocoder.decode(at::randn({1, 80, 4}).fill_(NAN), decoder, StopToken()), Error);
  EXPECT_THROW(vocoder.decode(at::randn({1, 79, 4}), decoder, StopToken()), Error);
}

TEST_F(MelGeneratorTest, VocoderRefusesAnotherHop) {
  ModelConfig other = config;
  other.mel.hop_length = 512;
  EXPECT_THROW(load_vocoder(Weights(open_checkpoint(files.bigvgan), {}), other), Error);
}

}  // namespace
}  // namespace indextts2
