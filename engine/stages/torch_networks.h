// The networks of one device on LibTorch: the definition of what a device library replaces.
#pragma once

#include <memory>
#include <vector>

#include "stages/backend.h"

namespace indextts2 {

// One job after another. Thread-safety: one thread.
class TorchFlowSolver : public FlowSolver {
 public:
  // The network is shared and must not be null.
  explicit TorchFlowSolver(std::shared_ptr<const FlowMatching> flow);
  std::vector<at::Tensor> solve(const std::vector<FlowJob>& jobs, const StopToken& stop) override;

 private:
  const std::shared_ptr<const FlowMatching> flow_;
};

// Thread-safety: one thread.
class TorchWaveDecoder : public WaveDecoder {
 public:
  // The network is shared and must not be null.
  explicit TorchWaveDecoder(std::shared_ptr<const BigVgan> vocoder);
  at::Tensor decode(const at::Tensor& mel, const StopToken& stop) override;

 private:
  const std::shared_ptr<const BigVgan> vocoder_;
};

// Thread-safety: const.
class TorchNetworks : public DeviceNetworks {
 public:
  explicit TorchNetworks(NetworkModules modules);
  std::unique_ptr<DecodeBatch> decode_batch(int capacity) const override;
  std::unique_ptr<FlowSolver> flow_solver() const override;
  std::unique_ptr<WaveDecoder> wave_decoder(FlowSolver* beside) const override;

 private:
  const NetworkModules modules_;
};

}  // namespace indextts2
