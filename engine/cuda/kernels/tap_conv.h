// The vocoder's convolutions on the tensor cores: implicit products over taps and channels.
// Activations are [frames][channels]; a transposed convolution of stride s is a convolution with s
// times as many output channels, one group a phase.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/wave_types.h"

namespace indextts2 {

// y[m][n] = bias[n] + residual[m][n] + sum of weight[j][n][c] in[m + first + j dilation][c] over
// 0 <= j < taps and all c; `in` is zero outside its frames.
struct TapConvPart {
  const void* in;        // [in_frames][in_channels]
  const void* weight;    // [taps][out_channels][in_channels]
  const float* bias;     // [out_channels]
  const void* residual;  // as `out`; nullptr: none
  void* out;             // not `in`, may be `residual`
  int taps;              // >= 2
  int first, dilation;
};

struct TapConvCall {
  TapConvPart parts[kWaveParts];
  int count;
  bool sum;  // one result, parts[0].out = scale * (y of parts[0] + parts[1] + ...); else one each
  float scale;                     // used with `sum`
  int64_t in_frames, in_channels;  // channels: multiples of kWaveAlign
  int64_t rows, out_channels;      // rows m of y, < 2^30
  // Element (m, n) is stored at out[m out_channels + n - shift] where that is in 0 .. size - 1 and
  // left out elsewhere; so is the residual read. Multiples of kWaveAlign.
  int64_t shift, size;
  bool small_tiles;  // kFloat: tiles of which two share a multiprocessor, for few rows
};

// (taps - 1) * dilation of a part at most.
inline constexpr int kTapConvReach = 128;
// Shared memory that a block of threads must be able to have, in bytes.
inline constexpr int kTapConvShared = 152064;

// kHalf multiplies as it is stored; kFloat as three TF32 products, so that the error is that of
// float. Sums run over parts, channel blocks, taps in an order that depends on the channels alone.
// Needs compute capability 8.0. Hopper has warpgroup products for kHalf, which round the sums
// otherwise than other GPUs; tests do without these to compare the two.
cudaError_t run_tap_conv(WaveType type, const TapConvCall& call, cudaStream_t on,
                         bool warpgroups = true);

// The last convolution, to one channel: out[t] = clamp(bias + sum of weight[j][c]
// in[t + j - taps / 2][c], -1, 1); taps odd, taps * channels <= 8192. NaN stays NaN.
struct WaveOutCall {
  const void* in;       // [frames][channels]
  const float* weight;  // [taps][channels]
  float bias;
  float* out;  // [frames]
  int taps;
  int64_t frames, channels;
};
cudaError_t run_wave_out(WaveType type, const WaveOutCall& call, cudaStream_t on);

// Done once before the first run_tap_conv on a device, the current one: large shared memory for its
// kernels.
cudaError_t prepare_tap_conv();

}  // namespace indextts2
