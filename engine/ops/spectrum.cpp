// Spectra of real frames.
#include "ops/spectrum.h"

#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/view_as_real.h>

namespace indextts2 {

at::Tensor power_spectrum(const at::Tensor& frames, int64_t fft_size) {
  return at::view_as_real(at::fft_rfft(frames, fft_size)).square().sum(-1);
}

}  // namespace indextts2
