// BigVGAN on the tiny model: locality, stops and errors.
#include "modules/bigvgan.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/near.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

BigVgan tiny_vocoder(WeightsOptions options = {}) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  return BigVgan(Weights(open_checkpoint(files.bigvgan), options).scope("generator"),
                 read_model_config(files).bigvgan);
}

TEST(BigVgan, MakesHopSamplesAFrameWithinBounds) {
  const BigVgan vocoder = tiny_vocoder();
  EXPECT_EQ(vocoder.hop(), 256);
  const at::Tensor wave = vocoder(at::randn({2, vocoder.mel_bands(), 3}).mul(100), StopToken());
  EXPECT_EQ(wave.sizes(), at::IntArrayRef({2, 1, 3 * 256}));
  EXPECT_LE(wave.abs().max().item<float>(), 1.0f);
}

TEST(BigVgan, RowsOfABatchAreIndependent) {
  const BigVgan vocoder = tiny_vocoder();
  const at::Tensor mel = at::randn({2, vocoder.mel_bands(), 7});
  const at::Tensor both = vocoder(mel, StopToken());
  EXPECT_LT(largest_difference(vocoder(mel.narrow(0, 1, 1), StopToken()), both.narrow(0, 1, 1)),
            1e-5);
}

TEST(BigVgan, Stops) {
  StopSource source;
  source.request_stop();
  const BigVgan vocoder = tiny_vocoder();
  try {
    vocoder(at::randn({1, vocoder.mel_bands(), 3}), source.token());
    FAIL() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
}

TEST(BigVgan, HalfPrecisionStaysNear) {
  WeightsOptions options;
  options.dtype = at::kBFloat16;
  const BigVgan vocoder = tiny_vocoder(), half = tiny_vocoder(options);
  const at::Tensor mel = at::randn({1, vocoder.mel_bands(), 9});
  EXPECT_LT(largest_difference(half(mel.to(at::kBFloat16), StopToken()), vocoder(mel, StopToken())),
            0.1);
}

TEST(BigVgan, RefusesAnotherConfiguration) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  const BigvganConfig right = read_model_config(files).bigvgan;
  const Weights weights = Weights(open_checkpoint(files.bigvgan), {}).scope("generator");
  BigvganConfig config = right;
  config.upsample_rates.pop_back();
  EXPECT_THROW(BigVgan(weights, config), Error);
  config = right;
  config.upsample_rates[0] = 3;  // an odd remainder of the kernel
  EXPECT_THROW(BigVgan(weights, config), Error);
  config = right;
  config.resblock_dilation_sizes.pop_back();
  EXPECT_THROW(BigVgan(weights, config), Error);
}

TEST(BigVgan, TakesAllWeights) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  const Weights weights = Weights(open_checkpoint(files.bigvgan), {}).scope("generator");
  const BigVgan vocoder(weights, read_model_config(files).bigvgan);
  EXPECT_EQ(weights.unused({}), std::vector<std::string>());
}

}  // namespace
}  // namespace indextts2
