// Flows solved by own kernels and cuBLASLt: both guidance branches of several segments as rows of
// one batch, one CUDA graph a step.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "cuda/device_turns.h"
#include "cuda/flow_graphs.h"
#include "cuda/flow_layout.h"
#include "cuda/flow_network.h"
#include "cuda/flow_step.h"
#include "cuda/flow_workspace.h"
#include "cuda/matrix_product.h"
#include "stages/backend.h"

namespace indextts2 {

struct FlowSolverOptions {
  bool graphs = true;         // false: every launch by itself
  int64_t pack_rows = 18432;  // rows of the transformer in one batch; a longer segment goes alone
  // Packs of guided segments of so many rows run the branches side by side: on an H100 10 s behind
  // a prompt of 15 s take 57.5 instead of 59.8 ms. Shorter ones would lose up to 27 %.
  int64_t least_side_rows = 3584, side_rows = 8192;
  ProductChoice products;
  std::shared_ptr<DeviceTurns> turns;  // with the decoding of the device; null: none are taken
};

// A segment's mel has the same bits alone and beside others, by graph and by single launches.
// Works on the thread's current stream of the network's device. Thread-safety: one thread.
class CudaFlowSolver : public FlowSolver {
 public:
  explicit CudaFlowSolver(std::shared_ptr<const FlowNetwork> network,
                          FlowSolverOptions options = {});
  ~CudaFlowSolver() override;

  std::vector<at::Tensor> solve(const std::vector<FlowJob>& jobs, const StopToken& stop) override;
  at::Tensor noise(const RandomStream& stream, int64_t bands, int64_t prompt,
                   int64_t frames) override;

  // Makes the memory and the graph that a segment of these sizes needs.
  void warm_up(int64_t prompt_frames, int64_t generated_frames,
               const FlowOptions& options) override;

  // Bytes that are anybody's on the same stream until the next solve; may be undefined.
  at::Tensor idle_memory() const { return workspace_ ? workspace_->memory : at::Tensor(); }

 private:
  struct Pack;
  const FlowTimes& times(int64_t steps);
  void reserve(const FlowLayout& layout, size_t streams);
  void load(const Pack& pack, cudaStream_t on);
  void launch_step(const FlowTimes& times, const FlowExtent& extent, cudaStream_t on);
  void step(const Pack& pack, const FlowTimes& times, bool first, cudaStream_t on);
  void solve_pack(const Pack& pack, const StopToken& stop, std::vector<at::Tensor>& mels);

  const std::shared_ptr<const FlowNetwork> network_;
  const FlowSolverOptions options_;
  std::unique_ptr<MatrixProducts> products_;
  std::unique_ptr<FlowWorkspace> workspace_;
  std::map<int64_t, FlowTimes> times_;  // by number of steps
  std::unique_ptr<FlowGraphs> graphs_;
  cudaEvent_t done_[2] = {};     // the last two steps
  cudaStream_t side_ = nullptr;  // of the second lane
  cudaEvent_t fork_ = nullptr, join_ = nullptr;
};

}  // namespace indextts2
