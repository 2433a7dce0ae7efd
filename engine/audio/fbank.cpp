// Kaldi filter banks of 16 kHz sound, computed in float64.
// Follows torchaudio 2.8 compliance.kaldi.fbank and transformers 4.52.1
// SeamlessM4TFeatureExtractor; the two differ in the scale of the samples and in what comes after
// the logarithm only.
#include "audio/fbank.h"

#include <array>
#include <cmath>
#include <string>

#include "audio/mel_filters.h"
#include "core/error.h"
#include "ops/host_tensor.h"
#include "ops/spectrum.h"

namespace indextts2 {
namespace {

constexpr int64_t kFftSize = 512;
constexpr double kPreEmphasis = 0.97;
constexpr double kMinHz = 20;
constexpr double kEnergyFloor = 1.1920928955078125e-07;  // float32 epsilon
constexpr double kInt16Scale = 32768;                    // w2v-BERT expects samples of 16-bit size
constexpr double kVarianceEps = 1e-7;
constexpr double kPaddingValue = 1;
constexpr int64_t kFramesPerRow = 2;

// Symmetric Hann to the power 0.85.
std::array<double, kFbankFrame> povey_window() {
  std::array<double, kFbankFrame> window;
  for (int64_t i = 0; i < kFbankFrame; ++i) {
    window[i] =
        std::pow(0.5 - 0.5 * std::cos(2 * M_PI * static_cast<double>(i) / (kFbankFrame - 1)), 0.85);
  }
  return window;
}

// Frames without their mean, with high tones raised and the window applied: row-major [frames,
// 400].
std::vector<double> windowed_frames(const std::vector<float>& samples, double scale,
                                    int64_t count) {
  const std::array<double, kFbankFrame> window = povey_window();
  std::vector<double> frames(count * kFbankFrame);
  for (int64_t f = 0; f < count; ++f) {
    const float* in = samples.data() + f * kFbankHop;
    double* out = frames.data() + f * kFbankFrame;
    double mean = 0;
    for (int64_t i = 0; i < kFbankFrame; ++i) mean += in[i];
    mean /= kFbankFrame;
    double before = (in[0] - mean) * scale;  // the first sample is its own predecessor
    for (int64_t i = 0; i < kFbankFrame; ++i) {
      const double sample = (in[i] - mean) * scale;
      out[i] = (sample - kPreEmphasis * before) * window[i];
      before = sample;
    }
  }
  return frames;
}

// [frames, 80] float64
at::Tensor log_energies(const std::vector<float>& samples, double scale) {
  const int64_t size = static_cast<int64_t>(samples.size());
  if (size < kFbankFrame) {
    throw Error(ErrorCode::kVoiceInvalid, "fbank: expected at least " +
                                              std::to_string(kFbankFrame) + " samples, got " +
                                              std::to_string(size) + "; give a longer clip");
  }
  const int64_t count = 1 + (size - kFbankFrame) / kFbankHop;
  const at::Tensor frames =
      host_tensor(windowed_frames(samples, scale, count), {count, kFbankFrame});
  MelFilterOptions bank;
  bank.sample_rate_hz = kFbankRateHz;
  bank.fft_size = kFftSize;
  bank.num_mels = kFbankMels;
  bank.min_hz = kMinHz;
  const at::Tensor filters = host_tensor(kaldi_filters(bank), {kFbankMels, kFftSize / 2 + 1});
  return power_spectrum(frames, kFftSize).matmul(filters.t()).clamp_min_(kEnergyFloor).log_();
}

}  // namespace

at::Tensor kaldi_fbank(const std::vector<float>& samples) {
  return log_energies(samples, /*scale=*/1).to(at::kFloat);
}

at::Tensor centred_fbank(const std::vector<float>& samples) {
  const at::Tensor energies = log_energies(samples, /*scale=*/1);
  return energies.sub(energies.mean(0, /*keepdim=*/true)).to(at::kFloat);
}

W2vFeatures w2v_features(const std::vector<float>& samples) {
  const at::Tensor energies = log_energies(samples, kInt16Scale);
  const at::Tensor deviation =
      energies.var(/*dim=*/at::IntArrayRef{0}, /*unbiased=*/true, /*keepdim=*/true)
          .add_(kVarianceEps)
          .sqrt_();
  const at::Tensor normal = energies.sub(energies.mean(0, /*keepdim=*/true)).div_(deviation);

  const int64_t frames = normal.size(0);
  const int64_t rows = (frames + kFramesPerRow - 1) / kFramesPerRow;
  const at::Tensor padded = normal.new_full({rows * kFramesPerRow, kFbankMels}, kPaddingValue);
  padded.narrow(0, 0, frames).copy_(normal);
  // The mask of a row is that of its last frame.
  return {padded.view({1, rows, kFramesPerRow * kFbankMels}).to(at::kFloat),
          frames / kFramesPerRow};
}

}  // namespace indextts2
