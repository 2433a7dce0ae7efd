// Log-mel spectrogram of the voice prompt.
// Follows index-tts ee40fa7, indextts/s2mel/modules/audio.py, mel_spectrogram; computed in float64.
#include "audio/mel.h"

#include <cmath>
#include <string>

#include "audio/mel_filters.h"
#include "core/error.h"
#include "ops/host_tensor.h"
#include "ops/spectrum.h"

namespace indextts2 {
namespace {

constexpr double kMagnitudeEps = 1e-9;  // added to the power, below the root
constexpr double kMelFloor = 1e-5;

std::vector<double> reflect_padded(const std::vector<float>& samples, int64_t padding) {
  const int64_t count = static_cast<int64_t>(samples.size());
  std::vector<double> padded(count + 2 * padding);
  for (int64_t i = 0; i < count + 2 * padding; ++i) {
    int64_t source = std::abs(i - padding);
    if (source >= count) source = 2 * (count - 1) - source;
    padded[i] = samples[source];
  }
  return padded;
}

// Periodic Hann window, centred in the FFT frame.
std::vector<double> hann_window(int64_t size, int64_t fft_size) {
  std::vector<double> window(fft_size, 0.0);
  const int64_t left = (fft_size - size) / 2;
  for (int64_t i = 0; i < size; ++i) {
    window[left + i] =
        0.5 - 0.5 * std::cos(2 * M_PI * static_cast<double>(i) / static_cast<double>(size));
  }
  return window;
}

}  // namespace

at::Tensor log_mel(const std::vector<float>& samples, const MelOptions& options) {
  if (options.hop_size < 1 || options.hop_size > options.fft_size || options.window_size < 1 ||
      options.window_size > options.fft_size) {
    throw Error(ErrorCode::kModel, "mel: expected hop and window of 1 to n_fft samples, got hop " +
                                       std::to_string(options.hop_size) + ", window " +
                                       std::to_string(options.window_size) + ", n_fft " +
                                       std::to_string(options.fft_size) + "; check config.yaml");
  }
  const int64_t padding = (options.fft_size - options.hop_size) / 2;
  if (static_cast<int64_t>(samples.size()) <= padding) {
    throw Error(ErrorCode::kVoiceInvalid, "mel: expected more than " + std::to_string(padding) +
                                              " samples, got " + std::to_string(samples.size()) +
                                              "; give a longer clip");
  }
  const std::vector<double> padded = reflect_padded(samples, padding);
  const at::Tensor frames = host_tensor(padded, {static_cast<int64_t>(padded.size())})
                                .unfold(0, options.fft_size, options.hop_size);
  const at::Tensor window =
      host_tensor(hann_window(options.window_size, options.fft_size), {options.fft_size});
  const at::Tensor magnitude =
      power_spectrum(frames.mul(window), options.fft_size).add_(kMagnitudeEps).sqrt_();

  MelFilterOptions bank{options.sample_rate_hz, options.fft_size, options.num_mels, options.min_hz,
                        options.max_hz};
  const at::Tensor filters =
      host_tensor(slaney_filters(bank), {options.num_mels, options.fft_size / 2 + 1});
  return filters.matmul(magnitude.t()).clamp_min_(kMelFloor).log_().unsqueeze(0).to(at::kFloat);
}

}  // namespace indextts2
