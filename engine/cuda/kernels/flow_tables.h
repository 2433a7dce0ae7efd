// What a solve of flows keeps on the device about its rows, for the kernels.
#pragma once

#include <cstdint>

#include "cuda/kernels/element_type.h"

namespace indextts2 {

// Letters: W width, H heads, D head size, C channels of the WaveNet, M mel bands.
// A stream is one guidance branch of one segment. Streams lie one behind the other as rows: a row a
// frame in the transformer ("trunk"), a row for each of the last frames in the head. Rows behind
// the last stream are padding: they are computed, but reach nobody. Counts and places are read from
// device memory at addresses that do not change, so that one graph serves all lengths.
using FlowType = ElementType;  // of weights and activations

// Queries that one block of threads attends with. Large tiles load fewer keys; no row's bits depend
// on its tile.
inline constexpr int kAttentionRows = 96, kLargeAttentionRows = 128;

// A run of queries of one stream and the keys they see.
struct AttentionTile {
  int32_t query_row, queries;  // rows of q
  int32_t key_row, keys;       // rows of k and v
  int32_t out_row;             // row that the first query's result goes to
};

// The place of one row of the head in its stream; count = 0: padding.
struct HeadRow {
  int32_t begin, count;  // rows of the head that its stream has
  int32_t trunk;         // the same frame's row in the trunk
};

// One generated frame of a segment: where it lies in each branch (-1: no such branch).
struct FlowStateRow {
  int32_t trunk[2], head[2];
  float guidance;
};

}  // namespace indextts2
