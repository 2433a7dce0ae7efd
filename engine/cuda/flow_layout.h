// Where the rows of several segments' flows lie: the tables that the kernels read.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

struct FlowSegment {
  int32_t frames;     // F
  int32_t first;      // velocity is wanted from this frame on
  int32_t generated;  // G
  float guidance;     // 0: one stream, else two
};

// A conditioned stream and, if guided, the other one behind it, segment by segment.
struct FlowLayout {
  // Rows are counted up to a multiple of kRowStep, so that few graphs serve all lengths.
  static constexpr int32_t kRowStep = 128;
  explicit FlowLayout(const std::vector<FlowSegment>& segments, int32_t tile_rows = kAttentionRows);

  int32_t rows = 0, head_rows = 0;  // padding included
  // Tiles that `rows` may need with so many streams, whatever `tile_rows` from kAttentionRows on.
  int32_t max_tiles = 0, max_head_tiles = 0;
  std::vector<int32_t> positions;   // [rows] frame of each row of the trunk
  std::vector<HeadRow> places;      // [head_rows]
  std::vector<FlowStateRow> state;  // generated frames, segment by segment
  std::vector<AttentionTile> tiles, head_tiles;
  std::vector<int32_t> segment_row;    // first row of each segment in the trunk
  std::vector<int32_t> segment_state;  // and in the state
};

}  // namespace indextts2
