// Spectra of real frames.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace indextts2 {

// |FFT|^2 of each frame, zero-padded or cut to `fft_size`: [..., N] -> [..., fft_size / 2 + 1], in
// the frames' dtype.
at::Tensor power_spectrum(const at::Tensor& frames, int64_t fft_size);

}  // namespace indextts2
