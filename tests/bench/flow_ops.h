// The kernels of a step of the flow, each by itself.
#pragma once

#include <vector>

#include "cuda/flow_layout.h"
#include "cuda/flow_network.h"
#include "ops_table.h"

namespace indextts2 {

// Of one guided segment. Counts are those of the official sizes, 0 for other ways to do the same.
std::vector<OpTime> flow_ops(const FlowNetwork& network, const FlowSegment& segment);

// The segment of so many frames of prompt and of sound.
FlowSegment flow_segment(int32_t prompt, int32_t generated);

}  // namespace indextts2
