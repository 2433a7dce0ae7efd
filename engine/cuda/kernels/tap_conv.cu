// The vocoder's convolutions: choice of the storage type, and the last one.
#include "cuda/kernels/tap_conv.h"
#include "cuda/kernels/tap_conv_kernel.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = 128;
constexpr int64_t kMaxWeights = 8192;

template <class T>
__global__ void __launch_bounds__(kThreads) wave_out(const __grid_constant__ WaveOutCall call) {
  extern __shared__ __align__(16) float weights[];
  const int channels = static_cast<int>(call.channels);
  for (int i = static_cast<int>(threadIdx.x); i < call.taps * channels; i += kThreads) {
    weights[i] = call.weight[i];
  }
  __syncthreads();
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (t >= call.frames) return;
  float sum = call.bias;
  for (int tap = 0; tap < call.taps; ++tap) {
    const int64_t frame = t + tap - call.taps / 2;
    if (frame < 0 || frame >= call.frames) continue;
    const T* in = static_cast<const T*>(call.in) + frame * channels;
    for (int c = 0; c < channels; c += 8) {
      float x[8];
      load8(in + c, x);
#pragma unroll
      for (int k = 0; k < 8; ++k) sum = fmaf(weights[tap * channels + c + k], x[k], sum);
    }
  }
  // Comparisons, not fminf: NaN has to get through.
  call.out[t] = sum > 1.0f ? 1.0f : sum < -1.0f ? -1.0f : sum;
}

}  // namespace

cudaError_t run_tap_conv(WaveType type, const TapConvCall& call, cudaStream_t on, bool warpgroups) {
  return type == WaveType::kHalf ? tap_conv::run_half(call, warpgroups, on)
                                 : tap_conv::run_float(call, on);
}

cudaError_t prepare_tap_conv() {
  const cudaError_t status = tap_conv::prepare_half();
  return status != cudaSuccess ? status : tap_conv::prepare_float();
}

cudaError_t run_wave_out(WaveType type, const WaveOutCall& call, cudaStream_t on) {
  const int64_t weights = call.taps * call.channels;
  if (weights > kMaxWeights) return cudaErrorInvalidValue;
  const auto blocks = static_cast<unsigned>((call.frames + kThreads - 1) / kThreads);
  const size_t shared = static_cast<size_t>(weights) * sizeof(float);
  const auto kernel = type == WaveType::kHalf ? wave_out<__half> : wave_out<float>;
  kernel<<<blocks, kThreads, shared, on>>>(call);
  return cudaGetLastError();
}

}  // namespace indextts2
