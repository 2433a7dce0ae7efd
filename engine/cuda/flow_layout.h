// Where the rows of several segments' flows lie: the tables that the kernels read.
#pragma once

#include <array>
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

// Streams lie in one lane, or in two: then all conditioned ones in the first and the others in the
// second, which need nothing of each other within a step and so run side by side. Each lane has as
// many rows, the second's behind the first's; places and tiles count the rows of their lane.
struct FlowLayout {
  // Rows are counted up to a multiple of kRowStep, so that few graphs serve all lengths.
  static constexpr int32_t kRowStep = 128, kMostLanes = 2;
  // split: two lanes, if every segment is guided.
  explicit FlowLayout(const std::vector<FlowSegment>& segments, int32_t tile_rows = kAttentionRows,
                      bool split = false);

  int32_t lanes = 1;
  int32_t rows = 0, head_rows = 0;  // of all lanes, padding included
  // Tiles that a lane may need with so many streams, whatever `tile_rows` from kAttentionRows on.
  int32_t max_tiles = 0, max_head_tiles = 0;
  std::vector<int32_t> positions;   // [rows] frame of each row of the trunk
  std::vector<HeadRow> places;      // [head_rows]
  std::vector<FlowStateRow> state;  // generated frames, segment by segment; rows of all lanes
  std::array<std::vector<AttentionTile>, kMostLanes> tiles, head_tiles;  // of each lane
  // The first row in the trunk of each segment's branches (-1: no such branch), and in the state.
  std::vector<std::array<int32_t, 2>> stream_row;
  std::vector<int32_t> segment_state;
};

}  // namespace indextts2
