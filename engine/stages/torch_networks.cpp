// The networks of one device on LibTorch.
#include "stages/torch_networks.h"

#include <utility>

#include "stages/decode_batch.h"

namespace indextts2 {

TorchFlowSolver::TorchFlowSolver(std::shared_ptr<const FlowMatching> flow)
    : flow_(std::move(flow)) {}

std::vector<at::Tensor> TorchFlowSolver::solve(const std::vector<FlowJob>& jobs,
                                               const StopToken& stop) {
  std::vector<at::Tensor> mels;
  for (const FlowJob& job : jobs) {
    mels.push_back(flow_->solve(job.input, job.noise, job.options, stop));
  }
  return mels;
}

TorchWaveDecoder::TorchWaveDecoder(std::shared_ptr<const BigVgan> vocoder)
    : vocoder_(std::move(vocoder)) {}

at::Tensor TorchWaveDecoder::decode(const at::Tensor& mel, const StopToken& stop) {
  return (*vocoder_)(mel.to(vocoder_->options()), stop).to(at::kFloat).flatten();
}

TorchNetworks::TorchNetworks(NetworkModules modules) : modules_(std::move(modules)) {}

std::unique_ptr<DecodeBatch> TorchNetworks::decode_batch(int capacity) const {
  return std::make_unique<TorchDecodeBatch>(modules_.gpt, capacity);
}

std::unique_ptr<FlowSolver> TorchNetworks::flow_solver() const {
  return std::make_unique<TorchFlowSolver>(modules_.flow);
}

std::unique_ptr<WaveDecoder> TorchNetworks::wave_decoder(FlowSolver* /*beside*/) const {
  return std::make_unique<TorchWaveDecoder>(modules_.vocoder);
}

}  // namespace indextts2
