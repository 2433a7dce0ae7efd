// Sample rate conversion, as the reference's two libraries do it. Pure functions over mono samples.
#pragma once

#include <vector>

namespace indextts2 {

// soxr at its HQ recipe in one call, then padded with zeros or cut to ceil(n * to / from) samples:
// librosa.load's way.
std::vector<float> resample_soxr(const std::vector<float>& samples, int from_hz, int to_hz);

// Taps of a windowed-sinc polyphase filter: phase p of `to` is taps[p * length() ... ].
struct SincKernel {
  int from, to;  // rates divided by their greatest common divisor
  int width;     // samples of context on each side
  std::vector<float> taps;
  int length() const { return 2 * width + from; }
};

// torchaudio's sinc_interp_hann kernel: low-pass width 6, roll-off 0.99.
SincKernel sinc_hann_kernel(int from_hz, int to_hz);

// torchaudio's Resample(from, to); ceil(n * to / from) samples.
std::vector<float> resample_sinc_hann(const std::vector<float>& samples, int from_hz, int to_hz);

}  // namespace indextts2
