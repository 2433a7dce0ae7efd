// Banks of triangular mel filters, as librosa and Kaldi define them.
#include "audio/mel_filters.h"

#include <algorithm>
#include <cmath>

namespace indextts2 {
namespace {

// Slaney's scale: linear below 1000 Hz, logarithmic above.
constexpr double kHzPerMel = 200.0 / 3;
constexpr double kLogStartHz = 1000.0;
constexpr double kLogStartMel = kLogStartHz / kHzPerMel;
const double kLogStep = std::log(6.4) / 27;

double slaney_mel(double hz) {
  return hz < kLogStartHz ? hz / kHzPerMel : kLogStartMel + std::log(hz / kLogStartHz) / kLogStep;
}

double slaney_hz(double mel) {
  return mel < kLogStartMel ? mel * kHzPerMel
                            : kLogStartHz * std::exp(kLogStep * (mel - kLogStartMel));
}

double kaldi_mel(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }

// Height at `x` of the triangle with corners at `left`, `centre`, `right`.
double triangle(double x, double left, double centre, double right) {
  return std::max(0.0, std::min((x - left) / (centre - left), (right - x) / (right - centre)));
}

// num_mels + 2 points evenly spaced from `low` to `high`.
std::vector<double> corners(double low, double high, int64_t num_mels) {
  std::vector<double> points(num_mels + 2);
  for (int64_t i = 0; i < num_mels + 2; ++i) {
    points[i] = low + (high - low) * static_cast<double>(i) / static_cast<double>(num_mels + 1);
  }
  return points;
}

double top_hz(const MelFilterOptions& options) {
  return options.max_hz > 0 ? options.max_hz : options.sample_rate_hz / 2.0;
}

}  // namespace

std::vector<double> slaney_filters(const MelFilterOptions& options) {
  std::vector<double> hz =
      corners(slaney_mel(options.min_hz), slaney_mel(top_hz(options)), options.num_mels);
  for (double& point : hz) point = slaney_hz(point);
  const int64_t bins = options.fft_size / 2 + 1;
  std::vector<double> rows(options.num_mels * bins);
  for (int64_t m = 0; m < options.num_mels; ++m) {
    const double area_one = 2.0 / (hz[m + 2] - hz[m]);
    for (int64_t bin = 0; bin < bins; ++bin) {
      const double x = static_cast<double>(bin) * options.sample_rate_hz / options.fft_size;
      rows[m * bins + bin] = triangle(x, hz[m], hz[m + 1], hz[m + 2]) * area_one;
    }
  }
  return rows;
}

std::vector<double> kaldi_filters(const MelFilterOptions& options) {
  const std::vector<double> mel =
      corners(kaldi_mel(options.min_hz), kaldi_mel(top_hz(options)), options.num_mels);
  const int64_t bins = options.fft_size / 2 + 1;
  std::vector<double> rows(options.num_mels * bins);
  for (int64_t bin = 0; bin < bins; ++bin) {
    const double x =
        kaldi_mel(static_cast<double>(bin) * options.sample_rate_hz / options.fft_size);
    for (int64_t m = 0; m < options.num_mels; ++m) {
      rows[m * bins + bin] = triangle(x, mel[m], mel[m + 1], mel[m + 2]);
    }
  }
  return rows;
}

}  // namespace indextts2
