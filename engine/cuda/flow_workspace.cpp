// The device memory of one solver of flows.
#include "cuda/flow_workspace.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "cuda/cuda_check.h"

namespace indextts2 {
namespace {

at::Tensor matrix(const FlowNetwork& network, int64_t rows, int64_t columns, at::ScalarType type) {
  return at::empty({rows, columns}, at::TensorOptions().device(network.device).dtype(type));
}

template <typename T>
void copy_up(T* to, const std::vector<T>& values, cudaStream_t on) {
  if (values.empty()) return;
  cuda_check(
      cudaMemcpyAsync(to, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, on),
      "copying the tables of a flow");
}

// Skips handed on by the first half of the layers.
int64_t count_skips(const FlowNetwork& network) {
  return static_cast<int64_t>(network.layers.size()) / 2;
}

}  // namespace

FlowWorkspace::FlowWorkspace(const FlowNetwork& network, int64_t rows, int64_t head_rows,
                             int64_t streams)
    : rows(rows), head_rows(head_rows), streams(streams) {
  const auto of_type = [&](int64_t count, int64_t columns) {
    return matrix(network, count, columns, scalar_type_of(network.type));
  };
  const int64_t w = network.width, c = network.channels, m = network.mel;
  merged = of_type(rows, w);
  x_trunk = of_type(rows, m);
  plain = of_type(rows, w);
  middle = of_type(rows, w);
  normed = of_type(rows, w);
  wide = of_type(rows, std::max(3 * w, 2 * network.hidden));
  gated = of_type(rows, network.hidden);
  for (int64_t i = 0; i < count_skips(network); ++i) skips.push_back(of_type(rows, 2 * w));
  last = of_type(head_rows, w);
  normed_x = of_type(head_rows, w + m);
  head = of_type(head_rows, 2 * c);
  int64_t taps_wide = c;
  for (const FlowNetwork::HeadLayer& layer : network.head) {
    taps_wide = std::max(taps_wide, layer.convolve.in());
  }
  taps = of_type(head_rows, taps_wide);
  head_wide = of_type(head_rows, 2 * c);
  head_gated = of_type(head_rows, c);
  head_normed = of_type(head_rows, c);
  velocity = matrix(network, head_rows, m, at::kFloat);
  x = matrix(network, head_rows, m, at::kFloat);
  rotary = network.flow->dit.rotary(rows);

  room_for_tiles = rows / kAttentionRows + streams;
  constexpr int64_t kPlace = sizeof(HeadRow) / 4, kState = sizeof(FlowStateRow) / 4;
  constexpr int64_t kTile = sizeof(AttentionTile) / 4;
  constexpr int64_t kTables = 2 * FlowLayout::kMostLanes;  // of tiles
  tables_ =
      matrix(network, 1,
             kTables + 2 + rows + head_rows * (kPlace + kState) + kTables * room_for_tiles * kTile,
             at::kInt);
  int32_t* next = tables_.data_ptr<int32_t>();
  const auto take = [&](int64_t words) {
    int32_t* const taken = next;
    next += words;
    return taken;
  };
  tile_counts = take(kTables);
  state_count = take(1);
  step = take(1);
  positions = take(rows);
  places = reinterpret_cast<HeadRow*>(take(head_rows * kPlace));
  state = reinterpret_cast<FlowStateRow*>(take(head_rows * kState));
  tiles = reinterpret_cast<AttentionTile*>(take(kTables * room_for_tiles * kTile));
}

void FlowWorkspace::upload(const FlowLayout& layout, cudaStream_t on) {
  std::vector<int32_t> counts;
  AttentionTile* to = tiles;
  for (size_t lane = 0; lane < FlowLayout::kMostLanes; ++lane) {
    for (const auto* table : {&layout.tiles[lane], &layout.head_tiles[lane]}) {
      counts.push_back(static_cast<int32_t>(table->size()));
      copy_up(to, *table, on);
      to += room_for_tiles;
    }
  }
  counts.push_back(static_cast<int32_t>(layout.state.size()));
  counts.push_back(/*step=*/0);
  copy_up(tile_counts, counts, on);
  copy_up(positions, layout.positions, on);
  copy_up(places, layout.places, on);
  copy_up(state, layout.state, on);
}

}  // namespace indextts2
