// The networks of the CUDA library.
#include "cuda/network_backend.h"

#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

#include <utility>

#include "cuda/cuda_check.h"
#include "cuda/decode_batch.h"
#include "cuda/flow_network.h"
#include "cuda/flow_solver.h"
#include "cuda/latent_pass.h"
#include "cuda/packed_vocoder.h"
#include "cuda/wave_decoder.h"
#include "stages/torch_networks.h"

namespace indextts2 {
namespace {

// The driver keeps room for the stack of kernels that do not tell theirs, for every thread that the
// device can hold: 264 MiB of an H100 at its default. Kernels whose stack is known when they are
// compiled get what they need. Where somebody has chosen another stack it stays.
void make_stacks_small() {
  constexpr size_t kDefault = 1024, kSmall = 256;  // bytes
  size_t bytes = 0;
  if (cudaDeviceGetLimit(&bytes, cudaLimitStackSize) == cudaSuccess && bytes == kDefault) {
    cudaDeviceSetLimit(cudaLimitStackSize, kSmall);
  }
  cudaGetLastError();  // where that is refused it is no error of those who ask later
}

// Each part by itself: an own class where it supports the module, else LibTorch's.
class CudaNetworks : public DeviceNetworks {
 public:
  explicit CudaNetworks(NetworkModules modules)
      : vocoder_(packed(std::move(modules.vocoder), &modules)),
        on_torch_(modules),
        gpt_(modules.gpt && CudaDecodeBatch::supports(*modules.gpt) ? modules.gpt : nullptr) {
    if (modules.flow && FlowNetwork::supports(*modules.flow)) {
      flow_ = std::make_shared<const FlowNetwork>(modules.flow);
    }
  }

  std::unique_ptr<DecodeBatch> decode_batch(int capacity) const override {
    if (!gpt_) return on_torch_.decode_batch(capacity);
    CudaDecodeOptions options;
    options.turns = turns_;
    return std::make_unique<CudaDecodeBatch>(gpt_, capacity, options);
  }
  std::unique_ptr<FlowSolver> flow_solver() const override {
    if (!flow_) return on_torch_.flow_solver();
    FlowSolverOptions options;
    options.turns = turns_;
    return std::make_unique<CudaFlowSolver>(flow_, options);
  }
  std::unique_ptr<WaveDecoder> wave_decoder(FlowSolver* beside) const override {
    if (!vocoder_) return on_torch_.wave_decoder(beside);
    const auto* const solver = dynamic_cast<const CudaFlowSolver*>(beside);
    CudaWaveDecoder::LendMemory lend;
    if (solver) lend = [solver] { return solver->idle_memory(); };
    return std::make_unique<CudaWaveDecoder>(vocoder_, WavePlan(), std::move(lend));
  }
  std::unique_ptr<LatentPass> latent_pass() const override {
    return gpt_ ? std::make_unique<CudaLatentPass>(gpt_) : nullptr;
  }

 private:
  // Where there are kernels for the network, it is let go; else it goes to rest->vocoder.
  static std::shared_ptr<const PackedVocoder> packed(std::shared_ptr<const BigVgan> network,
                                                     NetworkModules* rest) {
    if (network && PackedVocoder::supports(*network)) {
      return std::make_shared<const PackedVocoder>(*network, PackedVocoder::natural_type(*network));
    }
    rest->vocoder = std::move(network);
    return nullptr;
  }

  // Null: on LibTorch.
  const std::shared_ptr<const PackedVocoder> vocoder_;
  const TorchNetworks on_torch_;
  const std::shared_ptr<const UnifiedVoice> gpt_;
  std::shared_ptr<const FlowNetwork> flow_;
  const std::shared_ptr<DeviceTurns> turns_ = std::make_shared<DeviceTurns>();
};

}  // namespace

std::shared_ptr<const DeviceNetworks> CudaBackend::prepare(NetworkModules modules) const {
  // A thread that waits for the device sleeps meanwhile: decoding would else keep a core busy.
  cuda_check(cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync), "choosing how to wait");
  make_stacks_small();
  // cuDNN's attention makes a plan for every new length, which takes longer than the attention.
  at::globalContext().setSDPUseCuDNN(false);
  auto networks = std::make_shared<const CudaNetworks>(std::move(modules));
  cuda_check(cudaDeviceSynchronize(), "preparing the networks");
  c10::cuda::CUDACachingAllocator::emptyCache();  // what was packed, and what packing needed
  return networks;
}

}  // namespace indextts2

const indextts2::DeviceBackend* indextts2_device_backend(int abi) {
  static const auto* const backend =
      new indextts2::CudaBackend;  // leaked: networks may outlive statics
  return abi == indextts2::kDeviceBackendAbi ? backend : nullptr;
}
