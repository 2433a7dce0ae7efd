// Banks of triangular mel filters, as float64 rows over the bins of a one-sided spectrum.
#pragma once

#include <cstdint>
#include <vector>

namespace indextts2 {

struct MelFilterOptions {
  int sample_rate_hz = 22050;
  int64_t fft_size = 1024;  // the rows have fft_size / 2 + 1 columns
  int64_t num_mels = 80;
  double min_hz = 0;
  double max_hz = 0;  // 0: half the sample rate
};

// librosa.filters.mel(htk=False, norm="slaney"): triangles in hertz, each of area 1. Row-major
// [mels, bins].
std::vector<double> slaney_filters(const MelFilterOptions& options);

// Kaldi's bank: triangles in the mel scale 1127 ln(1 + f / 700), peak 1. Row-major [mels, bins].
std::vector<double> kaldi_filters(const MelFilterOptions& options);

}  // namespace indextts2
