// The device memory of one solver of flows.
#include "cuda/flow_workspace.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "cuda/cuda_check.h"

namespace indextts2 {
namespace {

// Matrices one behind the other. They are only counted while there is no memory yet.
class Stack {
 public:
  at::Tensor take(int64_t rows, int64_t columns, at::ScalarType type) {
    constexpr int64_t kAlign = 256;  // bytes
    const int64_t bytes = rows * columns * static_cast<int64_t>(c10::elementSize(type));
    const int64_t begin = taken;
    taken += (bytes + kAlign - 1) / kAlign * kAlign;
    if (!memory.defined()) return {};
    return memory.narrow(0, begin, bytes).view(type).view({rows, columns});
  }

  at::Tensor memory;
  int64_t taken = 0;
};

at::Tensor bytes_on(at::Device device, int64_t count) {
  return at::empty({count}, at::TensorOptions().device(device).dtype(at::kByte));
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
  memory = bytes_on(network.device, lay_out(network));
  lay_out(network);
  rotary = network.flow->dit.rotary(rows);
  make_tables(network.device);
}

// Returns the bytes of all matrices; makes them once there is memory.
int64_t FlowWorkspace::lay_out(const FlowNetwork& network) {
  Stack stack;
  stack.memory = memory;
  const auto of_type = [&](int64_t count, int64_t columns) {
    return stack.take(count, columns, scalar_type_of(network.type));
  };
  const int64_t w = network.width, c = network.channels, m = network.mel;
  merged = of_type(rows, w);
  x_trunk = of_type(rows, m);
  plain = of_type(rows, w);
  middle = of_type(rows, w);
  normed = of_type(rows, w);
  wide = of_type(rows, std::max(3 * w, 2 * network.hidden));
  gated = of_type(rows, network.hidden);
  skips.resize(static_cast<size_t>(count_skips(network)));
  for (at::Tensor& skip : skips) skip = of_type(rows, 2 * w);
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
  velocity = stack.take(head_rows, m, at::kFloat);
  x = stack.take(head_rows, m, at::kFloat);
  return stack.taken;
}

void FlowWorkspace::make_tables(at::Device device) {
  room_for_tiles = rows / kAttentionRows + streams;
  constexpr int64_t kPlace = sizeof(HeadRow) / 4, kState = sizeof(FlowStateRow) / 4;
  constexpr int64_t kTile = sizeof(AttentionTile) / 4;
  constexpr int64_t kTables = 2 * FlowLayout::kMostLanes;  // of tiles
  tables_ = bytes_on(device, 4 * (kTables + 2 + rows + head_rows * (kPlace + kState) +
                                  kTables * room_for_tiles * kTile));
  auto* next = static_cast<int32_t*>(tables_.data_ptr());
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
