// The vocoder's convolutions in half precision.
#include "cuda/kernels/tap_conv_kernel.cuh"

namespace indextts2 {
namespace tap_conv {

cudaError_t run_half(const TapConvCall& call, const WaveWays& ways, cudaStream_t on) {
  if (ways.warpgroups && wide_takes(call)) return run_wide(call, ways.overlap, on);
  return Shapes<__half>::run(call, ways.overlap, on);
}

cudaError_t prepare_half() { return Shapes<__half>::prepare_all(); }

}  // namespace tap_conv
}  // namespace indextts2
