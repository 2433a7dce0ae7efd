// The vocoder's convolutions in half precision.
#include "cuda/kernels/tap_conv_kernel.cuh"

namespace indextts2 {
namespace tap_conv {

cudaError_t run_half(const TapConvCall& call, cudaStream_t on) {
  return Shapes<__half>::run(call, on);
}

cudaError_t prepare_half() { return Shapes<__half>::prepare_all(); }

}  // namespace tap_conv
}  // namespace indextts2
