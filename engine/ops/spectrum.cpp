// Spectra of real frames.
#include "ops/spectrum.h"

#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/view_as_real.h>

namespace indextts2 {

at::Tensor power_spectrum(const at::Tensor& frames, int64_t fft_size) {
  const at::Tensor spectrum = at::view_as_real(at::fft_rfft(frames, fft_size));
  // Not as a sum over the last dimension, which takes longer than the transform.
  return spectrum.select(-1, 0).square().add_(spectrum.select(-1, 1).square());
}

}  // namespace indextts2
