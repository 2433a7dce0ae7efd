// The vocoder's convolutions in half precision on Hopper.
#include "cuda/kernels/tap_conv_wide.cuh"

namespace indextts2 {
namespace tap_conv {
namespace {

template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    wide_tiles(const __grid_constant__ TapConvCall call, int pitch, int buffers) {
  extern __shared__ __align__(128) unsigned char wide_shared[];
  WideTile<S>(call, wide_shared, pitch, buffers).run();
}

template <class S>
dim3 grid_of(const TapConvCall& call) {
  return {static_cast<unsigned>((call.rows + S::kRows - 1) / S::kRows),
          static_cast<unsigned>((call.out_channels + S::kColumns - 1) / S::kColumns),
          call.sum ? 1u : static_cast<unsigned>(call.count)};
}

// Whether tiles of this shape keep a large GPU busy.
template <class S>
bool fills(const TapConvCall& call) {
  constexpr unsigned kBusy = 100;
  const dim3 grid = grid_of<S>(call);
  return grid.x * grid.y * grid.z >= kBusy;
}

template <class S>
cudaError_t prepare_shape() {
  constexpr int kMostBytes = S::shared_bytes(kTapConvReach, S::input_buffers(2));
  static_assert(kMostBytes <= 232448, "more shared memory than Hopper has");
  const cudaError_t status =
      cudaFuncSetAttribute(wide_tiles<S>, cudaFuncAttributeMaxDynamicSharedMemorySize, kMostBytes);
  if (status != cudaSuccess) return status;
  return cudaFuncSetAttribute(wide_tiles<S>, cudaFuncAttributePreferredSharedMemoryCarveout,
                              cudaSharedmemCarveoutMaxShared);
}

template <class S>
cudaError_t launch_wide(const TapConvCall& call, cudaStream_t on) {
  int reach = 0, least_taps = call.parts[0].taps;
  for (int i = 0; i < call.count; ++i) {
    const TapConvPart& part = call.parts[i];
    const int own = (part.taps - 1) * part.dilation;
    if (own > kTapConvReach || part.taps < 2) return cudaErrorInvalidValue;
    reach = own > reach ? own : reach;
    least_taps = part.taps < least_taps ? part.taps : least_taps;
  }
  const int64_t blocks = call.in_channels / S::kChannels * (call.sum ? call.count : 1);
  const int buffers = blocks > 1 ? S::input_buffers(least_taps) : 1;
  const auto shared = static_cast<size_t>(S::shared_bytes(reach, buffers));
  wide_tiles<S>
      <<<grid_of<S>(call), S::kThreads, shared, on>>>(call, S::input_pitch(reach), buffers);
  return cudaGetLastError();
}

// The largest tile that fills the GPU; the sums are the same in all.
template <int kSteps>
struct WideShapes {
  using Large = WideShape<2, 2, 96, kSteps, 4, 1>;
  using Middle = WideShape<2, 1, 96, kSteps, 4, 2>;
  using Small = WideShape<1, 1, 96, kSteps, 6, 2>;
  using Narrow = WideShape<2, 2, 48, kSteps, 4, 2>;
  using Least = WideShape<1, 1, 48, kSteps, 6, 2>;

  static cudaError_t run(const TapConvCall& call, cudaStream_t on) {
    if (call.out_channels <= 48) {
      return fills<Narrow>(call) ? launch_wide<Narrow>(call, on) : launch_wide<Least>(call, on);
    }
    if (fills<Large>(call)) return launch_wide<Large>(call, on);
    if (fills<Middle>(call)) return launch_wide<Middle>(call, on);
    return fills<Small>(call) ? launch_wide<Small>(call, on) : launch_wide<Least>(call, on);
  }

  static cudaError_t prepare_all() {
    cudaError_t status = cudaSuccess;
    for (const auto one : {prepare_shape<Large>, prepare_shape<Middle>, prepare_shape<Small>,
                           prepare_shape<Narrow>, prepare_shape<Least>}) {
      if (status == cudaSuccess) status = one();
    }
    return status;
  }
};

}  // namespace

bool wide_takes(const TapConvCall& call) {
  return call.out_channels > 24 && (call.in_channels % 64 == 0 || call.in_channels % 48 == 0) &&
         has_warpgroup_products();
}

cudaError_t run_wide(const TapConvCall& call, cudaStream_t on) {
  return call.in_channels % 64 == 0 ? WideShapes<4>::run(call, on) : WideShapes<3>::run(call, on);
}

cudaError_t prepare_wide() {
  if (!has_warpgroup_products()) return cudaSuccess;
  const cudaError_t status = WideShapes<4>::prepare_all();
  return status != cudaSuccess ? status : WideShapes<3>::prepare_all();
}

}  // namespace tap_conv
}  // namespace indextts2
