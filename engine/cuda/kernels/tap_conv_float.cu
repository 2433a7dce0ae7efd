// The vocoder's convolutions in float, by TF32 products.
#include "cuda/kernels/tap_conv_kernel.cuh"

namespace indextts2 {
namespace tap_conv {

cudaError_t run_float(const TapConvCall& call, cudaStream_t on) {
  return call.small_tiles ? Shapes<float, true>::run(call, on) : Shapes<float>::run(call, on);
}

cudaError_t prepare_float() {
  const cudaError_t status = Shapes<float>::prepare_all();
  return status != cudaSuccess ? status : Shapes<float, true>::prepare_all();
}

}  // namespace tap_conv
}  // namespace indextts2
