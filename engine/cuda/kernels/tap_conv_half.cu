// The vocoder's convolutions in half precision.
#include "cuda/kernels/tap_conv_kernel.cuh"

namespace indextts2 {
namespace tap_conv {

cudaError_t run_half(const TapConvCall& call, bool warpgroups, cudaStream_t on) {
  return warpgroups && wide_takes(call) ? run_wide(call, on) : Shapes<__half>::run(call, on);
}

cudaError_t prepare_half() {
  const cudaError_t status = Shapes<__half>::prepare_all();
  return status != cudaSuccess ? status : prepare_wide();
}

}  // namespace tap_conv
}  // namespace indextts2
