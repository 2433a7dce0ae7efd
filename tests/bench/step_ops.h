// The kernels of the networks of a decoding step, each by itself.
#pragma once

#include <vector>

#include "cuda/kernels/row_linear.h"
#include "modules/unified_voice.h"
#include "ops_table.h"

namespace indextts2 {

inline constexpr int kMostStepRows = 96;

// With `rows` rows; those of all layers run one after the other, so that no weight is in a cache.
std::vector<OpTime> step_ops(const UnifiedVoice& model, int rows);

}  // namespace indextts2
