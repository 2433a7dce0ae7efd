// The latent pass of a segment on the device: UnifiedVoice::latent, as a graph for each of a few
// lengths.
#pragma once

#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/pooled_graphs.h"
#include "stages/backend.h"

namespace indextts2 {

// Segments are padded at their end, which no earlier position sees, to a multiple of kStep
// positions. A segment's bits depend on itself alone, as does the length it is padded to; graphs
// change none. Longer ones than kMostPositions run as the definition does.
// Thread-safety: one thread, whose current stream is the same for all calls.
class CudaLatentPass : public LatentPass {
 public:
  static constexpr int64_t kStep = 64, kMostPositions = 1024;

  explicit CudaLatentPass(std::shared_ptr<const UnifiedVoice> model);

  at::Tensor run(const at::Tensor& conditioning, const std::vector<int32_t>& text_ids,
                 const std::vector<int64_t>& codes) override;
  // Runs and captures each length; without graphs on the default stream, which cannot be captured.
  void warm_up() override;

 private:
  void forward(int64_t length);

  const std::shared_ptr<const UnifiedVoice> model_;
  const c10::cuda::CUDAStream stream_;
  at::Tensor input_, hidden_;  // [1, most positions, C]; their addresses never change
  PooledGraphs graphs_;
};

}  // namespace indextts2
