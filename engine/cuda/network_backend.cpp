// The networks of the CUDA library.
#include "cuda/network_backend.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "cuda/cuda_check.h"
#include "stages/torch_networks.h"

namespace indextts2 {
namespace {

// Each part by itself: an own class where it supports the module, else LibTorch's.
class CudaNetworks : public DeviceNetworks {
 public:
  explicit CudaNetworks(NetworkModules modules)
      : modules_(std::move(modules)), on_torch_(modules_) {}

  std::unique_ptr<DecodeBatch> decode_batch(int capacity) const override {
    return on_torch_.decode_batch(capacity);
  }
  std::unique_ptr<FlowSolver> flow_solver() const override { return on_torch_.flow_solver(); }
  std::unique_ptr<WaveDecoder> wave_decoder() const override { return on_torch_.wave_decoder(); }

 private:
  const NetworkModules modules_;
  const TorchNetworks on_torch_;
};

}  // namespace

std::shared_ptr<const DeviceNetworks> CudaBackend::prepare(const NetworkModules& modules) const {
  // A thread that waits for the device sleeps meanwhile: decoding would else keep a core busy.
  cuda_check(cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync), "choosing how to wait");
  auto networks = std::make_shared<const CudaNetworks>(modules);
  cuda_check(cudaDeviceSynchronize(), "preparing the networks");
  return networks;
}

}  // namespace indextts2

const indextts2::DeviceBackend* indextts2_device_backend(int abi) {
  static const auto* const backend =
      new indextts2::CudaBackend;  // leaked: networks may outlive statics
  return abi == indextts2::kDeviceBackendAbi ? backend : nullptr;
}
