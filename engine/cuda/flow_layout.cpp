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

int32_t branches_of(const FlowSegment& segment) { return segment.guidance > 0 ? 2 : 1; }

}  // namespace

FlowLayout::FlowLayout(const std::vector<FlowSegment>& segments, int32_t tile_rows, bool split) {
  const bool guided = std::all_of(segments.begin(), segments.end(),
                                  [](const FlowSegment& s) { return branches_of(s) == 2; });
  lanes = split && guided ? kMostLanes : 1;
  int32_t streams = 0, without_head = 0, lane_rows = 0;
  for (const FlowSegment& segment : segments) {
    const int32_t in_lane = branches_of(segment) / lanes;
    streams += in_lane;
    lane_rows += in_lane * segment.frames;
    without_head += in_lane * segment.first;
  }
  // Both grow at the same lengths, so that for one prompt there is one graph every kRowStep rows.
  const int32_t step = kRowStep / lanes;
  lane_rows = rounded(lane_rows, step);
  const int32_t lane_head_rows = lane_rows - without_head / step * step;
  rows = lanes * lane_rows;
  head_rows = lanes * lane_head_rows;
  positions.resize(static_cast<size_t>(rows), 0);
  places.resize(static_cast<size_t>(head_rows), HeadRow{0, 0, 0});
  std::array<int32_t, kMostLanes> next{}, next_head{};  // of each lane's rows
  for (const FlowSegment& segment : segments) {
    const size_t first_state = state.size();
    segment_state.push_back(static_cast<int32_t>(first_state));
    state.resize(first_state + static_cast<size_t>(segment.generated),
                 FlowStateRow{{-1, -1}, {-1, -1}, segment.guidance});
    stream_row.push_back({-1, -1});
    const int32_t wanted = segment.frames - segment.first;
    const int32_t prompt = segment.frames - segment.generated;
    for (int32_t branch = 0; branch < branches_of(segment); ++branch) {
      const int32_t lane = branch % lanes;
      const auto at = static_cast<size_t>(lane);
      const int32_t row = next[at], head_row = next_head[at];
      next[at] += segment.frames;
      next_head[at] += wanted;
      add_tiles(tiles[at], row, segment.frames, segment.frames, row, tile_rows);
      add_tiles(head_tiles[at], row, segment.frames, wanted, head_row, tile_rows);
      const int32_t in_all = lane * lane_rows + row, head_in_all = lane * lane_head_rows + head_row;
      stream_row.back()[static_cast<size_t>(branch)] = in_all;
      for (int32_t i = 0; i < segment.frames; ++i) positions[static_cast<size_t>(in_all + i)] = i;
      for (int32_t i = 0; i < wanted; ++i) {
        places[static_cast<size_t>(head_in_all + i)] = {head_row, wanted, row + segment.first + i};
      }
      for (int32_t i = 0; i < segment.generated; ++i) {
        FlowStateRow& of = state[first_state + static_cast<size_t>(i)];
        of.trunk[branch] = in_all + prompt + i;
        of.head[branch] = head_in_all + prompt - segment.first + i;
      }
    }
  }
  // Each stream wastes less than one tile.
  int32_t spare = 1;
  while (spare < streams) spare *= 2;
  max_tiles = lane_rows / kAttentionRows + spare;
  max_head_tiles = lane_head_rows / kAttentionRows + spare;
}

}  // namespace indextts2
