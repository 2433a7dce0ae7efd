// Tables of packed flows: every frame has its row, every query its tile.
#include "cuda/flow_layout.h"

#include <gtest/gtest.h>

#include <set>

namespace indextts2 {
namespace {

const std::vector<FlowSegment> kSegments = {
    {205, 114, 75, 0.7f}, {10, 0, 9, 0.0f}, {501, 285, 200, 1.3f}};

TEST(FlowLayout, FramesOfAStreamLieOneBehindTheOther) {
  const FlowLayout layout(kSegments);
  EXPECT_EQ(layout.rows % FlowLayout::kRowStep, 0);
  EXPECT_EQ(static_cast<size_t>(layout.rows), layout.positions.size());
  EXPECT_EQ(layout.stream_row,
            (std::vector<std::array<int32_t, 2>>{{0, 205}, {410, -1}, {420, 921}}));
  EXPECT_EQ(layout.segment_state, (std::vector<int32_t>{0, 75, 84}));
  EXPECT_EQ(layout.positions[204], 204);
  EXPECT_EQ(layout.positions[205], 0);
  EXPECT_EQ(layout.positions[410], 0);
  EXPECT_EQ(layout.positions[420 + 501], 0);
  EXPECT_EQ(layout.positions[420 + 1001], 500);
}

TEST(FlowLayout, HeadHoldsTheLastFrames) {
  const FlowLayout layout(kSegments);
  EXPECT_EQ(layout.head_rows % FlowLayout::kRowStep, 0);
  ASSERT_EQ(static_cast<size_t>(layout.head_rows), layout.places.size());
  EXPECT_EQ(layout.places[0].trunk, 114);
  EXPECT_EQ(layout.places[91].begin, 91);
  EXPECT_EQ(layout.places[91].count, 91);
  EXPECT_EQ(layout.places[91].trunk, 205 + 114);
  EXPECT_EQ(layout.places[182].count, 10);
  EXPECT_EQ(layout.places[192].trunk, 420 + 285);
  EXPECT_EQ(layout.places[192 + 2 * 216].count, 0);
}

TEST(FlowLayout, StateKnowsItsRowsInBothBranches) {
  const FlowLayout layout(kSegments);
  ASSERT_EQ(layout.state.size(), 284u);
  for (const FlowStateRow& row : layout.state) {
    for (int branch = 0; branch < 2; ++branch) {
      if (row.guidance == 0 && branch == 1) {
        EXPECT_EQ(row.trunk[1], -1);
        EXPECT_EQ(row.head[1], -1);
        continue;
      }
      EXPECT_EQ(layout.places[static_cast<size_t>(row.head[branch])].trunk, row.trunk[branch]);
    }
  }
  EXPECT_EQ(layout.state.back().trunk[1], 420 + 1001);
  EXPECT_EQ(layout.state.front().trunk[0], 130);
}

void expect_tiles(int32_t tile_rows) {
  const FlowLayout layout(kSegments, tile_rows);
  for (const bool head : {false, true}) {
    const auto& tiles = (head ? layout.head_tiles : layout.tiles)[0];
    EXPECT_LE(static_cast<int32_t>(tiles.size()), head ? layout.max_head_tiles : layout.max_tiles);
    std::set<int32_t> results;
    for (const AttentionTile& tile : tiles) {
      ASSERT_GT(tile.queries, 0);
      ASSERT_LE(tile.queries, tile_rows);
      EXPECT_GE(tile.query_row, tile.key_row);
      EXPECT_LE(tile.query_row + tile.queries, tile.key_row + tile.keys);
      for (int32_t i = 0; i < tile.queries; ++i) {
        EXPECT_TRUE(results.insert(tile.out_row + i).second);
        if (head) {
          EXPECT_EQ(layout.places[static_cast<size_t>(tile.out_row + i)].trunk, tile.query_row + i);
        } else {
          EXPECT_EQ(tile.out_row, tile.query_row);
        }
      }
    }
    EXPECT_EQ(results.size(), head ? 624u : 1422u);
  }
}

TEST(FlowLayout, TilesCoverEachQueryOnceAndFitTheGrid) {
  for (const int32_t rows : {kAttentionRows, kLargeAttentionRows}) expect_tiles(rows);
}

// The branches of guided segments in lanes of their own: the same tables in both.
TEST(FlowLayout, SplitsGuidedSegmentsIntoLanes) {
  EXPECT_EQ(FlowLayout(kSegments, kAttentionRows, /*split=*/true).lanes, 1);  // one is not guided
  const FlowLayout layout({kSegments.front(), kSegments.back()}, kAttentionRows, /*split=*/true);
  ASSERT_EQ(layout.lanes, 2);
  const int32_t rows = layout.rows / 2, head_rows = layout.head_rows / 2;
  EXPECT_EQ(rows, 768);  // 706 by 64
  EXPECT_EQ(layout.stream_row, (std::vector<std::array<int32_t, 2>>{{0, rows}, {205, rows + 205}}));
  for (const FlowStateRow& row : layout.state) {
    EXPECT_EQ(row.trunk[1], row.trunk[0] + rows);
    EXPECT_EQ(row.head[1], row.head[0] + head_rows);
    for (int32_t lane = 0; lane < 2; ++lane) {
      const HeadRow& place = layout.places[static_cast<size_t>(row.head[lane])];
      EXPECT_EQ(place.trunk, row.trunk[lane] - lane * rows);
      EXPECT_GE(row.head[lane] - lane * head_rows, place.begin);
      EXPECT_LT(row.head[lane] - lane * head_rows, place.begin + place.count);
    }
  }
  ASSERT_EQ(layout.tiles[0].size(), layout.tiles[1].size());
  for (size_t i = 0; i < layout.tiles[0].size(); ++i) {
    EXPECT_EQ(layout.tiles[0][i].query_row, layout.tiles[1][i].query_row);
    EXPECT_LE(layout.tiles[0][i].query_row + layout.tiles[0][i].queries, rows);
  }
  EXPECT_LE(static_cast<int32_t>(layout.tiles[0].size()), layout.max_tiles);
  EXPECT_LE(static_cast<int32_t>(layout.head_tiles[0].size()), layout.max_head_tiles);
}

}  // namespace
}  // namespace indextts2
