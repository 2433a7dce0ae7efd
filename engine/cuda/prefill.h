// The prefix of a segment on the device: UnifiedVoice::prefill, as a graph for each of a few
// lengths.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <memory>

#include "cuda/pooled_graphs.h"
#include "modules/unified_voice.h"

namespace indextts2 {

// What one prefix leaves behind, on the device; the next run() overwrites it.
struct PrefilledPrefix {
  at::Tensor storage;     // keys and values, KvCache::storage
  int64_t positions = 0;  // in use, the start code included
  at::Tensor logits;      // [1, V] float32 of the first code
};

// Prefixes are padded at their end, which no earlier position sees, to a multiple of kStep
// positions. A prefix' bits depend on itself alone, as does the length it is padded to.
// Thread-safety: one thread, one stream.
class Prefill {
 public:
  static constexpr int64_t kStep = 32;

  // Graphs for prefixes of up to `longest` positions, start code included; longer ones run kernel
  // by kernel, as all do unless `graphs`. Runs and captures each length on `stream`, which must
  // not be the default stream, and waits for it.
  Prefill(std::shared_ptr<const UnifiedVoice> model, int64_t longest, bool graphs,
          const c10::cuda::CUDAStream& stream);

  // `prefix`: UnifiedVoice::prefix. Only enqueues, on the stream, which must be the current one.
  PrefilledPrefix run(const at::Tensor& prefix);

 private:
  void forward(int64_t length);

  const std::shared_ptr<const UnifiedVoice> model_;
  const c10::cuda::CUDAStream stream_;
  const bool graphs_wanted_;
  at::Tensor start_;            // [1, 1, C] embedding of the start code
  at::Tensor input_;            // [1, longest padded, C]
  at::Tensor last_;             // [1] int64: the start code's position
  at::Tensor logits_;           // [1, V]
  KvCache cache_, long_cache_;  // the addresses of the first one never change
  PooledGraphs graphs_;         // destroyed first, which waits for the stream
};

}  // namespace indextts2
