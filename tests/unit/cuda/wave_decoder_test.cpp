// The vocoder on CUDA against the module on the CPU.
#include "cuda/wave_decoder.h"

#include <ATen/Context.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "core/error.h"
#include "cuda_torch.h"
#include "support/near.h"
#include "support/random_vocoder.h"

namespace indextts2 {
namespace {

// Before the first tensor operation of any test.
const bool kHaveCuda = have_cuda_torch();

// Channels 88 -> 44 -> 22 -> 11: none but the first a multiple of 8.
BigvganConfig odd_sizes() {
  BigvganConfig config;
  config.num_mels = 20;
  config.upsample_initial_channel = 88;
  config.upsample_rates = {4, 3, 2};
  config.upsample_kernel_sizes = {8, 3, 6};
  config.resblock_kernel_sizes = {3, 9};
  config.resblock_dilation_sizes = {{1, 3}, {1, 5}};
  return config;
}

// Channels 192 -> 96 -> 48 -> 24, three blocks.
BigvganConfig small_sizes() {
  BigvganConfig config = official_bigvgan();
  config.upsample_initial_channel = 192;
  config.upsample_rates = {4, 2, 2};
  config.upsample_kernel_sizes = {8, 4, 4};
  return config;
}

std::unique_ptr<CudaWaveDecoder> decoder(const BigVgan& network, WaveType type,
                                         WavePlan plan = {}) {
  EXPECT_TRUE(PackedVocoder::supports(network));
  return std::make_unique<CudaWaveDecoder>(std::make_shared<PackedVocoder>(network, type), plan);
}

double snr_db(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor exact = want.to(at::kDouble);
  const double error = got.to(at::kDouble).sub(exact).square().sum().item<double>();
  return 10 * std::log10(exact.square().sum().item<double>() / error);
}

void expect_module(const BigvganConfig& config) {
  at::manual_seed(5);
  const RandomVocoder random(config);
  const BigVgan cpu = random.on(at::kCPU), gpu = random.on(at::Device(at::kCUDA, 0));
  const auto exact = decoder(gpu, WaveType::kFloat), half = decoder(gpu, WaveType::kHalf);
  for (const int64_t frames : {40, 1, 2, 3, 7, 64, 131}) {
    const at::Tensor mel = at::randn({1, config.num_mels, frames});
    const at::Tensor want = cpu(mel, StopToken()).flatten();
    const at::Tensor got = exact->decode(mel.to(at::kCUDA), StopToken()).cpu();
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_LT(largest_difference(got, want), 2e-5) << frames;
    EXPECT_GT(snr_db(got, want), 90) << frames;
    EXPECT_GT(snr_db(half->decode(mel.to(at::kCUDA), StopToken()).cpu(), want), 45) << frames;
  }
}

TEST(CudaWaveDecoder, FollowsTheModule) {
  if (!kHaveCuda) return;
  expect_module(small_sizes());
}

TEST(CudaWaveDecoder, PadsChannelsToWhatTheKernelsTake) {
  if (!kHaveCuda) return;
  expect_module(odd_sizes());
}

TEST(CudaWaveDecoder, BitsDependOnTheMelAlone) {
  if (!kHaveCuda) return;
  at::manual_seed(6);
  const BigVgan network = RandomVocoder(small_sizes()).on(at::Device(at::kCUDA, 0));
  const at::Tensor mel = at::randn({1, 80, 70}).to(at::kCUDA);
  for (const WaveType type : {WaveType::kHalf, WaveType::kFloat}) {
    const auto one = decoder(network, type), other = decoder(network, type, WavePlan{0, 0});
    const at::Tensor first = one->decode(mel, StopToken());
    EXPECT_EQ(largest_difference(other->decode(mel, StopToken()), first), 0.0);
    one->decode(at::randn({1, 80, 300}).to(at::kCUDA), StopToken());
    EXPECT_EQ(largest_difference(one->decode(mel, StopToken()), first), 0.0);
  }
}

// Memory that suffices and memory that does not, full of what is no number.
TEST(CudaWaveDecoder, BitsDoNotDependOnWhoseMemoryItIs) {
  if (!kHaveCuda) return;
  at::manual_seed(8);
  const BigVgan network = RandomVocoder(small_sizes()).on(at::Device(at::kCUDA, 0));
  const at::Tensor mel = at::randn({1, 80, 70}).to(at::kCUDA);
  for (const WaveType type : {WaveType::kHalf, WaveType::kFloat}) {
    const at::Tensor own = decoder(network, type)->decode(mel, StopToken());
    for (const int64_t bytes : {int64_t{1} << 10, int64_t{64} << 20}) {
      const at::Tensor lent =
          at::full({bytes}, 0xFF, at::TensorOptions(at::kCUDA).dtype(at::kByte));
      CudaWaveDecoder borrower(std::make_shared<PackedVocoder>(network, type), WavePlan(),
                               [lent] { return lent; });
      EXPECT_EQ(largest_difference(borrower.decode(mel, StopToken()), own), 0.0) << bytes;
      EXPECT_EQ(lent.ne(0xFF).any().item<bool>(), bytes > 1 << 20) << bytes;
    }
  }
}

TEST(CudaWaveDecoder, BitsDoNotDependOnTheTiles) {
  if (!kHaveCuda) return;
  at::manual_seed(7);
  const BigVgan network = RandomVocoder(small_sizes()).on(at::Device(at::kCUDA, 0));
  WavePlan large, small;
  large.small_tiles = 0;
  small.small_tiles = 1000;
  const auto in_large = decoder(network, WaveType::kFloat, large);
  const auto in_small = decoder(network, WaveType::kFloat, small);
  for (const int64_t frames : {3, 70, 411}) {
    const at::Tensor mel = at::randn({1, 80, frames}).to(at::kCUDA);
    EXPECT_EQ(
        largest_difference(in_small->decode(mel, StopToken()), in_large->decode(mel, StopToken())),
        0.0)
        << frames;
  }
}

TEST(CudaWaveDecoder, NanComesThrough) {
  if (!kHaveCuda) return;
  const BigVgan network = RandomVocoder(small_sizes()).on(at::Device(at::kCUDA, 0));
  at::Tensor mel = at::randn({1, 80, 20});
  mel[0][3][10] = NAN;
  const at::Tensor wave = decoder(network, WaveType::kHalf)->decode(mel.to(at::kCUDA), StopToken());
  EXPECT_TRUE(wave.isnan().any().item<bool>());
}

TEST(CudaWaveDecoder, StopsAndRefuses) {
  if (!kHaveCuda) return;
  const BigVgan network = RandomVocoder(small_sizes()).on(at::Device(at::kCUDA, 0));
  const auto wave = decoder(network, PackedVocoder::natural_type(network));
  StopSource source;
  source.request_stop();
  const auto code = [&](const at::Tensor& mel, const StopToken& stop) {
    try {
      wave->decode(mel, stop);
    } catch (const Error& error) {
      return error.code;
    }
    return ErrorCode::kSynthesis;
  };
  EXPECT_EQ(code(at::randn({1, 80, 3}).to(at::kCUDA), source.token()), ErrorCode::kCancelled);
  EXPECT_EQ(code(at::randn({1, 79, 3}).to(at::kCUDA), StopToken()), ErrorCode::kInternal);
  EXPECT_EQ(code(at::randn({1, 80, 3}), StopToken()), ErrorCode::kInternal);
  EXPECT_EQ(wave->decode(at::randn({1, 80, 0}).to(at::kCUDA), StopToken()).numel(), 0);
}

TEST(PackedVocoder, LeavesNetworksOnTheCpuToLibTorch) {
  const BigVgan network = RandomVocoder(small_sizes()).on(at::kCPU);
  EXPECT_FALSE(PackedVocoder::supports(network));
}

}  // namespace
}  // namespace indextts2
