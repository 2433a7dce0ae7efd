// Filter banks and spectrograms: shapes, edges, and energy where the tone is.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "audio/fbank.h"
#include "audio/mel.h"
#include "audio/mel_filters.h"
#include "core/error.h"

namespace indextts2 {
namespace {

std::vector<float> tone(int rate_hz, int count, double hz) {
  std::vector<float> samples(count);
  for (int i = 0; i < count; ++i)
    samples[i] = static_cast<float>(0.5 * std::sin(2 * M_PI * hz * i / rate_hz));
  return samples;
}

// Band whose filter is highest at `hz`.
int64_t band_of(const std::vector<double>& rows, const MelFilterOptions& options, double hz) {
  const int64_t bins = options.fft_size / 2 + 1;
  const int64_t bin =
      std::llround(hz * static_cast<double>(options.fft_size) / options.sample_rate_hz);
  int64_t best = 0;
  for (int64_t m = 1; m < options.num_mels; ++m) {
    if (rows[m * bins + bin] > rows[best * bins + bin]) best = m;
  }
  return best;
}

TEST(MelFilters, SlaneyTrianglesHaveAreaOne) {
  MelFilterOptions options;
  options.fft_size = 16384;  // fine bins, so that the sum is close to the area
  const std::vector<double> rows = slaney_filters(options);
  const int64_t bins = options.fft_size / 2 + 1;
  ASSERT_EQ(static_cast<int64_t>(rows.size()), options.num_mels * bins);
  const double bin_hz =
      static_cast<double>(options.sample_rate_hz) / static_cast<double>(options.fft_size);
  for (int64_t m = 0; m < options.num_mels; ++m) {
    double area = 0;
    for (int64_t bin = 0; bin < bins; ++bin) area += rows[m * bins + bin] * bin_hz;
    ASSERT_NEAR(area, 1, 0.03) << m;
  }
}

TEST(MelFilters, KaldiBankLeavesOutTheEdges) {
  MelFilterOptions options;
  options.sample_rate_hz = 16000;
  options.fft_size = 512;
  options.min_hz = 20;
  const std::vector<double> rows = kaldi_filters(options);
  for (int64_t m = 0; m < options.num_mels; ++m) {
    EXPECT_EQ(rows[m * 257], 0) << m;                // 0 Hz
    EXPECT_NEAR(rows[m * 257 + 256], 0, 1e-9) << m;  // half the rate
  }
  // Between the first and the last centre the triangles add up to 1.
  for (int64_t bin = 4; bin < 245; ++bin) {
    double sum = 0;
    for (int64_t m = 0; m < options.num_mels; ++m) sum += rows[m * 257 + bin];
    EXPECT_NEAR(sum, 1, 1e-9) << bin;
  }
}

TEST(LogMel, FramesAndTone) {
  const MelOptions options;
  const at::Tensor mel = log_mel(tone(22050, 22050, 1000), options);
  ASSERT_EQ(mel.sizes(), at::IntArrayRef({1, 80, 22050 / 256}));
  EXPECT_EQ(mel.scalar_type(), at::kFloat);
  MelFilterOptions bank;
  EXPECT_EQ(mel.select(0, 0).select(1, 40).argmax().item<int64_t>(),
            band_of(slaney_filters(bank), bank, 1000));
  EXPECT_EQ(log_mel(std::vector<float>(330750, 0.1f), options).size(2), 1291);
}

TEST(LogMel, SilenceIsTheFloor) {
  const at::Tensor mel = log_mel(std::vector<float>(22050, 0.0f), MelOptions{});
  EXPECT_NEAR(mel.max().item<double>(), std::log(1e-5), 1e-5);
}

TEST(LogMel, RefusesLessThanItsPadding) {
  EXPECT_THROW(log_mel(std::vector<float>(384, 0.1f), MelOptions{}), Error);
  EXPECT_NO_THROW(log_mel(std::vector<float>(385, 0.1f), MelOptions{}));
}

TEST(LogMel, RefusesImpossibleOptions) {
  MelOptions options;
  options.window_size = 2048;
  EXPECT_THROW(log_mel(std::vector<float>(22050, 0.1f), options), Error);
}

TEST(Fbank, FramesAndCentre) {
  const std::vector<float> samples = tone(16000, 16000, 500);
  const at::Tensor fbank = kaldi_fbank(samples);
  ASSERT_EQ(fbank.sizes(), at::IntArrayRef({98, 80}));
  EXPECT_LT(centred_fbank(samples).mean(0).abs().max().item<double>(), 1e-5);
  EXPECT_THROW(kaldi_fbank(std::vector<float>(399, 0.1f)), Error);
  EXPECT_EQ(kaldi_fbank(std::vector<float>(400, 0.1f)).size(0), 1);
  // Nothing is left of a constant once the mean is gone.
  EXPECT_NEAR(kaldi_fbank(std::vector<float>(400, 0.1f)).max().item<double>(),
              std::log(1.1920929e-07), 1e-4);
}

TEST(W2vFeatures, RowsHoldTwoFrames) {
  const std::vector<float> even = tone(16000, 400 + 97 * 160, 500);  // 98 frames
  const W2vFeatures full = w2v_features(even);
  EXPECT_EQ(full.rows.sizes(), at::IntArrayRef({1, 49, 160}));
  EXPECT_EQ(full.valid_rows, 49);

  const W2vFeatures odd = w2v_features(std::vector<float>(even.begin(), even.end() - 160));
  EXPECT_EQ(odd.rows.sizes(), at::IntArrayRef({1, 49, 160}));
  EXPECT_EQ(odd.valid_rows, 48);
  const at::Tensor filled = odd.rows.select(1, 48).narrow(1, 80, 80);
  EXPECT_EQ(filled.min().item<double>(), 1);
  EXPECT_EQ(filled.max().item<double>(), 1);
}

TEST(W2vFeatures, EachBandIsNormalised) {
  std::vector<float> samples(16000);
  uint32_t state = 1;
  for (float& sample : samples) {
    state = state * 1664525u + 1013904223u;
    sample = static_cast<float>(state >> 8) / (1 << 24) - 0.5f;
  }
  const at::Tensor frames = w2v_features(samples).rows.view({98, 80});
  EXPECT_LT(frames.mean(0).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(frames.std(at::IntArrayRef{0}, /*unbiased=*/true).max().item<double>(), 1, 1e-4);
}

}  // namespace
}  // namespace indextts2
