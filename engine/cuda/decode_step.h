// One step of decoding on the device, from the codes fed to the choice of the next ones, as a graph
// for each number of segments.
#pragma once

#include <cuda_runtime_api.h>

#include <map>
#include <memory>
#include <vector>

#include "cuda/cuda_handles.h"
#include "cuda/decode_memory.h"
#include "cuda/gpt_step.h"
#include "cuda/lent_stream.h"
#include "modules/unified_voice.h"

namespace indextts2 {

struct DecodeStepOptions {
  bool graphs = true;   // false: every kernel is launched by itself; the same results
  bool overlap = true;  // attention starts before the kernel ahead of it ends, where devices can
  // For a benchmark: PagedAttention::blocks where clusters run, which changes no bit; 0: as
  // prepared.
  int attention_blocks = 0;
  GptStepTuning networks;
};

// Only enqueues. Thread-safety: one thread, one stream.
class DecodeStep {
 public:
  // False: sizes that the kernels do not cover.
  static bool supports(const UnifiedVoice& model, int beams);

  // `memory` must outlive this. Runs a step of nobody for each number of segments and captures it
  // on `stream`, which must not be the default stream.
  DecodeStep(std::shared_ptr<const UnifiedVoice> model, const DecodeMemory& memory,
             const DecodeStepOptions& options, cudaStream_t stream);
  ~DecodeStep();

  // The smallest number of segments with a graph that `segments` fit into.
  int bucket(int segments) const;
  // A step of the first `bucket` of memory.segments().
  void run(int bucket, cudaStream_t stream);
  // A prefix' keys and values, [L, 2, 1, H, capacity, D] with `positions` in use, into the pages of
  // `slot`, and the first choice, from `logits` [V].
  void begin(int slot, const at::Tensor& storage, int positions, const float* logits,
             cudaStream_t stream);

  // The parts of a step, to be timed one by one. `part`: 0 .. kParts - 1; run() is all of them but
  // that networks and attention take turns.
  enum Part { kWorkList, kNetworks, kAttention, kScores, kChoice, kParts };
  void run_part(Part part, int bucket, cudaStream_t stream);

 private:
  struct Kernels;
  void enqueue(int bucket, cudaStream_t stream);
  void capture(int bucket, cudaStream_t stream);

  const DecodeMemory& memory_;
  const DecodeStepOptions options_;
  const LentStream side_stream_;
  const CudaEvent begun_, listed_;
  std::unique_ptr<Kernels> kernels_;
  std::vector<int> buckets_;
  std::map<int, CudaGraphExec> graphs_;
};

}  // namespace indextts2
