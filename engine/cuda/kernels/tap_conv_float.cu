// The vocoder's convolutions in float, by TF32 products.
#include "cuda/kernels/tap_conv_kernel.cuh"

namespace indextts2 {
namespace tap_conv {

cudaError_t run_float(const TapConvCall& call, cudaStream_t on) {
  return Shapes<float>::run(call, on);
}

cudaError_t prepare_float() { return Shapes<float>::prepare_all(); }

}  // namespace tap_conv
}  // namespace indextts2
