// A GPT of official sizes that never ends a segment by itself, and the parts of its decoding steps.
#pragma once

#include <memory>
#include <vector>

#include "cuda/decode_batch.h"
#include "ops_table.h"

namespace indextts2 {

inline constexpr int kBenchPrefix = 160;  // positions before the first code

struct EndlessGpt {
  // Random weights of `type` on cuda:0.
  explicit EndlessGpt(at::ScalarType type);
  DecodeJob job(int number, int codes) const;

  std::shared_ptr<const UnifiedVoice> model;
  at::Tensor rows;  // of conditioning: with four ids, their start and stop and the start code 160
};

// Work list, networks, attention, scores, choice: each alone, for the segments that run now, which
// have `positions` each.
std::vector<OpTime> decode_parts(CudaDecodeBatch& batch, const UnifiedVoice& model, int positions,
                                 int rounds);

}  // namespace indextts2
