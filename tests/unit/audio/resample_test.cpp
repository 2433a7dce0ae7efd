// Resampling: lengths, the shape of the kernel, and that tones keep their pitch and loudness.
#include "audio/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace indextts2 {
namespace {

std::vector<float> tone(int rate_hz, int count, double hz = 440) {
  std::vector<float> samples(count);
  for (int i = 0; i < count; ++i)
    samples[i] = static_cast<float>(0.5 * std::sin(2 * M_PI * hz * i / rate_hz));
  return samples;
}

TEST(ResampleSoxr, LengthIsRoundedUp) {
  for (const int count : {22050, 22051, 16000, 3001, 17}) {
    for (const int from : {8000, 11025, 24000, 44100, 48000, 192000}) {
      const size_t wanted = static_cast<size_t>(std::ceil(count * (22050.0 / from)));
      EXPECT_EQ(resample_soxr(tone(from, count), from, 22050).size(), wanted)
          << count << " at " << from;
    }
  }
}

TEST(ResampleSoxr, SameRateChangesNothing) {
  const std::vector<float> samples = tone(22050, 1000);
  EXPECT_EQ(resample_soxr(samples, 22050, 22050), samples);
  EXPECT_TRUE(resample_soxr({}, 8000, 22050).empty());
}

TEST(ResampleSoxr, KeepsTones) {
  const std::vector<float> out = resample_soxr(tone(48000, 48000), 48000, 16000);
  const std::vector<float> wanted = tone(16000, 16000);
  for (size_t i = 1000; i < 15000; ++i) ASSERT_NEAR(out[i], wanted[i], 1e-4) << i;
}

TEST(ResampleSinc, KernelIsAsTorchaudios) {
  const SincKernel kernel = sinc_hann_kernel(22050, 16000);
  EXPECT_EQ(kernel.from, 441);
  EXPECT_EQ(kernel.to, 320);
  EXPECT_EQ(kernel.width, 9);
  EXPECT_EQ(kernel.length(), 459);
  ASSERT_EQ(kernel.taps.size(), 320u * 459u);
}

TEST(ResampleSinc, FirstPhaseIsSymmetric) {
  const SincKernel kernel = sinc_hann_kernel(22050, 16000);
  for (int tap = 0; tap <= kernel.width; ++tap) {
    EXPECT_NEAR(kernel.taps[kernel.width - tap], kernel.taps[kernel.width + tap], 1e-7) << tap;
  }
  EXPECT_NEAR(kernel.taps[kernel.width], 316.8 / 441, 1e-6);
}

TEST(ResampleSinc, EachPhasePassesAConstant) {
  const SincKernel kernel = sinc_hann_kernel(22050, 16000);
  for (int phase = 0; phase < kernel.to; ++phase) {
    double sum = 0;
    for (int tap = 0; tap < kernel.length(); ++tap)
      sum += kernel.taps[phase * kernel.length() + tap];
    ASSERT_NEAR(sum, 1, 2e-3) << phase;
  }
}

TEST(ResampleSinc, LengthAndPitch) {
  const std::vector<float> out = resample_sinc_hann(tone(22050, 330750), 22050, 16000);
  ASSERT_EQ(out.size(), 240000u);
  const std::vector<float> wanted = tone(16000, 240000);
  for (size_t i = 100; i < 239900; ++i) ASSERT_NEAR(out[i], wanted[i], 2e-3) << i;
  EXPECT_EQ(resample_sinc_hann(tone(22050, 1000), 22050, 16000).size(), 726u);  // 725.6
  EXPECT_EQ(resample_sinc_hann(tone(22050, 1000), 22050, 22050), tone(22050, 1000));
  EXPECT_TRUE(resample_sinc_hann({}, 22050, 16000).empty());
}

TEST(ResampleSinc, RemovesWhatTheNewRateCannotHold) {
  const std::vector<float> out = resample_sinc_hann(tone(22050, 22050, /*hz=*/10000), 22050, 16000);
  for (size_t i = 100; i < 15900; ++i) ASSERT_LT(std::fabs(out[i]), 0.01) << i;
}

}  // namespace
}  // namespace indextts2
