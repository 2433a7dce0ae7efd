// Sample rate conversion, as the reference's two libraries do it.
// Follows librosa 0.10.2 load(res_type="soxr_hq") and torchaudio 2.8 functional.resample.
#include "audio/resample.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr unsigned long kSoxrHighQuality = 4;  // SOXR_20_BITQ, linear phase: librosa's "soxr_hq"
constexpr int kLowpassWidth = 6;
constexpr double kRolloff = 0.99;

}  // namespace

std::vector<float> resample_soxr(const std::vector<float>& samples, int from_hz, int to_hz) {
  if (from_hz == to_hz || samples.empty()) return samples;
  const double ratio = static_cast<double>(to_hz) / from_hz;
  const size_t wanted = static_cast<size_t>(std::ceil(static_cast<double>(samples.size()) * ratio));
  std::vector<float> out(wanted + 1, 0.0f);
  const soxr_quality_spec_t quality = soxr_quality_spec(kSoxrHighQuality, 0);
  size_t produced = 0;
  const soxr_error_t error =
      soxr_oneshot(from_hz, to_hz, /*channels=*/1, samples.data(), samples.size(), nullptr,
                   out.data(), out.size(), &produced, nullptr, &quality, nullptr);
  if (error) {
    throw Error(
        ErrorCode::kInternal,
        "resample: " + std::to_string(from_hz) + " to " + std::to_string(to_hz) + " Hz failed",
        error);
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(std::min(produced, wanted)), out.end(), 0.0f);
  out.resize(wanted);
  return out;
}

SincKernel sinc_hann_kernel(int from_hz, int to_hz) {
  const int divisor = std::gcd(from_hz, to_hz);
  SincKernel kernel{from_hz / divisor, to_hz / divisor, 0, {}};
  const double base = std::min(kernel.from, kernel.to) * kRolloff;
  kernel.width = static_cast<int>(std::ceil(kLowpassWidth * kernel.from / base));
  kernel.taps.reserve(static_cast<size_t>(kernel.to) * kernel.length());
  const double scale = base / kernel.from;
  for (int phase = 0; phase < kernel.to; ++phase) {
    // torchaudio divides integer tensors here, which rounds the phases to float32; the rest is
    // float64.
    const double offset = static_cast<float>(-phase) / static_cast<float>(kernel.to);
    for (int tap = 0; tap < kernel.length(); ++tap) {
      double t = (offset + static_cast<double>(tap - kernel.width) / kernel.from) * base;
      t = std::clamp<double>(t, -kLowpassWidth, kLowpassWidth);
      const double window = std::pow(std::cos(t * M_PI / kLowpassWidth / 2), 2);
      const double sinc = t == 0 ? 1.0 : std::sin(t * M_PI) / (t * M_PI);
      kernel.taps.push_back(static_cast<float>(sinc * window * scale));
    }
  }
  return kernel;
}

std::vector<float> resample_sinc_hann(const std::vector<float>& samples, int from_hz, int to_hz) {
  if (from_hz == to_hz || samples.empty()) return samples;
  const SincKernel kernel = sinc_hann_kernel(from_hz, to_hz);
  const int length = kernel.length();
  const auto count = static_cast<std::ptrdiff_t>(samples.size());
  // The reference rounds the exact length to float32 before ceil.
  const auto wanted = static_cast<size_t>(
      std::ceil(static_cast<float>(static_cast<double>(kernel.to) * count / kernel.from)));

  std::vector<float> out(wanted);
  for (int phase = 0; phase < kernel.to; ++phase) {
    const float* taps = kernel.taps.data() + static_cast<size_t>(phase) * length;
    int first = 0, last = length;  // most taps of a phase are zero
    while (first < last && taps[first] == 0) ++first;
    while (last > first && taps[last - 1] == 0) --last;
    std::ptrdiff_t start = -kernel.width;
    for (size_t i = phase; i < wanted; i += kernel.to, start += kernel.from) {
      const std::ptrdiff_t begin = std::max<std::ptrdiff_t>(first, -start);
      const std::ptrdiff_t end = std::min<std::ptrdiff_t>(last, count - start);
      double sum = 0;
      for (std::ptrdiff_t tap = begin; tap < end; ++tap) {
        sum += static_cast<double>(taps[tap]) * samples[static_cast<size_t>(start + tap)];
      }
      out[i] = static_cast<float>(sum);
    }
  }
  return out;
}

}  // namespace indextts2
