// The networks of the CUDA library.
#include "cuda/network_backend.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "cuda/cuda_check.h"
#include "cuda/decode_batch.h"
#include "cuda/flow_network.h"
#include "cuda/flow_solver.h"
#include "cuda/packed_vocoder.h"
#include "cuda/wave_decoder.h"
#include "stages/torch_networks.h"

namespace indextts2 {
namespace {

// Each part by itself: an own class where it supports the module, else LibTorch's.
class CudaNetworks : public DeviceNetworks {
 public:
  explicit CudaNetworks(NetworkModules modules)
      : modules_(std::move(modules)),
        on_torch_(modules_),
        own_decoding_(modules_.gpt && CudaDecodeBatch::supports(*modules_.gpt)) {
    if (modules_.flow && FlowNetwork::supports(*modules_.flow)) {
      flow_ = std::make_shared<const FlowNetwork>(modules_.flow);
    }
    if (modules_.vocoder && PackedVocoder::supports(*modules_.vocoder)) {
      vocoder_ = std::make_shared<const PackedVocoder>(
          *modules_.vocoder, PackedVocoder::natural_type(*modules_.vocoder));
    }
  }

  std::unique_ptr<DecodeBatch> decode_batch(int capacity) const override {
    if (!own_decoding_) return on_torch_.decode_batch(capacity);
    return std::make_unique<CudaDecodeBatch>(modules_.gpt, capacity);
  }
  std::unique_ptr<FlowSolver> flow_solver() const override {
    if (!flow_) return on_torch_.flow_solver();
    return std::make_unique<CudaFlowSolver>(flow_);
  }
  std::unique_ptr<WaveDecoder> wave_decoder() const override {
    if (!vocoder_) return on_torch_.wave_decoder();
    return std::make_unique<CudaWaveDecoder>(vocoder_);
  }

 private:
  const NetworkModules modules_;
  const TorchNetworks on_torch_;
  const bool own_decoding_;
  std::shared_ptr<const FlowNetwork> flow_;       // null: on LibTorch
  std::shared_ptr<const PackedVocoder> vocoder_;  // null: on LibTorch
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
