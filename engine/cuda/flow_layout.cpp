// Where the rows of several segments' flows lie.
#include "cuda/flow_layout.h"

#include <algorithm>

namespace indextts2 {
namespace {

int32_t rounded(int32_t count, int32_t step) { return (count + step - 1) / step * step; }

// The last `queries` of the `keys` rows from `row` on; results from `out_row` on.
void add_tiles(std::vector<AttentionTile>& tiles, int32_t row, int32_t keys, int32_t queries,
               int32_t out_row, int32_t tile_rows) {
  for (int32_t i = 0; i < queries; i += tile_rows) {
    tiles.push_back(
        {row + keys - queries + i, std::min(tile_rows, queries - i), row, keys, out_row + i});
  }
}

}  // namespace

FlowLayout::FlowLayout(const std::vector<FlowSegment>& segments, int32_t tile_rows) {
  int32_t streams = 0;
  for (const FlowSegment& segment : segments) {
    segment_row.push_back(rows);
    segment_state.push_back(static_cast<int32_t>(state.size()));
    const int32_t branches = segment.guidance > 0 ? 2 : 1;
    const int32_t wanted = segment.frames - segment.first;
    const int32_t prompt = segment.frames - segment.generated;
    for (int32_t i = 0; i < segment.generated; ++i) {
      FlowStateRow row{{-1, -1}, {-1, -1}, segment.guidance};
      for (int32_t branch = 0; branch < branches; ++branch) {
        row.trunk[branch] = rows + branch * segment.frames + prompt + i;
        row.head[branch] = head_rows + branch * wanted + prompt - segment.first + i;
      }
      state.push_back(row);
    }
    for (int32_t branch = 0; branch < branches; ++branch, ++streams) {
      add_tiles(tiles, rows, segment.frames, segment.frames, rows, tile_rows);
      add_tiles(head_tiles, rows, segment.frames, wanted, head_rows, tile_rows);
      for (int32_t i = 0; i < segment.frames; ++i) positions.push_back(i);
      for (int32_t i = 0; i < wanted; ++i) {
        places.push_back({head_rows, wanted, rows + segment.first + i});
      }
      rows += segment.frames;
      head_rows += wanted;
    }
  }
  // Both grow at the same lengths, so that for one prompt there is one graph every kRowStep rows.
  const int32_t without_head = rows - head_rows;
  rows = rounded(rows, kRowStep);
  head_rows = rows - without_head / kRowStep * kRowStep;
  positions.resize(static_cast<size_t>(rows), 0);
  places.resize(static_cast<size_t>(head_rows), HeadRow{0, 0, 0});
  // Each stream wastes less than one tile.
  int32_t spare = 1;
  while (spare < streams) spare *= 2;
  max_tiles = rows / kAttentionRows + spare;
  max_head_tiles = head_rows / kAttentionRows + spare;
}

}  // namespace indextts2
