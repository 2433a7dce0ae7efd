// The flow's elementwise kernels against host loops in float64.
#include <cmath>

#include "cuda/kernels/flow_rows.h"
#include "device_buffer.h"
#include "flow_values.h"

namespace indextts2 {
namespace {

template <typename T>
double at(const std::vector<T>& values, int64_t index) {
  return static_cast<double>(static_cast<float>(values[static_cast<size_t>(index)]));
}

template <typename T>
double bound() {
  return sizeof(T) == 4 ? 4e-6 : 0.02;
}

StepTable table_of(const void* data, int64_t stride, const int32_t* step) {
  return {data, stride, step};
}

template <typename T>
void expect_norms(int width, bool centered) {
  const int rows = 11, stride = width + 16, out_stride = width + 8, step = 2;
  const double eps = 1e-5;
  const std::vector<T> x = random_values<T>(static_cast<size_t>(rows * stride), 1.0f, 1);
  const std::vector<T> times = random_values<T>(static_cast<size_t>(3 * 4 * width), 0.5f, 2);
  DeviceBuffer<T> from(x), table(times), out(static_cast<size_t>(rows * out_stride));
  DeviceBuffer<int32_t> counter(std::vector<int32_t>{step});
  const StepTable steps = table_of(table.data() + width, 4 * width, counter.data());
  const auto norm = centered ? layer_norm : rms_norm;
  check(norm(flow_type_of(T()), {from.data(), stride}, {out.data(), out_stride}, steps, rows, width,
             static_cast<float>(eps), nullptr));
  const std::vector<T> got = out.host();
  for (int row = 0; row < rows; ++row) {
    double mean = 0.0, square = 0.0;
    for (int i = 0; i < width; ++i) mean += at(x, row * stride + i) / width;
    if (!centered) mean = 0.0;
    for (int i = 0; i < width; ++i) square += std::pow(at(x, row * stride + i) - mean, 2) / width;
    for (int i = 0; i < width; ++i) {
      const int64_t scale = step * 4 * width + width + i;
      const double want =
          (at(x, row * stride + i) - mean) / std::sqrt(square + eps) * at(times, scale) +
          at(times, scale + width);
      ASSERT_NEAR(at(got, row * out_stride + i), want, bound<T>() * (1.0 + std::abs(want)));
    }
  }
}

TEST(FlowKernels, NormsAreThoseOfTheHost) {
  if (!have_device()) return;
  for (const bool centered : {false, true}) {
    for (const int width : {64, 160, 512, 1024}) {
      expect_norms<float>(width, centered);
      expect_norms<__nv_bfloat16>(width, centered);
      expect_norms<__half>(width, centered);
    }
  }
}

template <typename T>
void expect_rotation() {
  const int rows = 9, heads = 3, size = 32, width = heads * size, frames = 40;
  const std::vector<T> x = random_values<T>(static_cast<size_t>(rows * 3 * width), 1.0f, 1);
  std::vector<float2> turns;
  for (int i = 0; i < frames * size / 2; ++i) {
    turns.push_back(make_float2(std::cos(0.1f * static_cast<float>(i)),
                                std::sin(0.1f * static_cast<float>(i))));
  }
  const std::vector<int32_t> positions = {0, 1, 2, 39, 0, 7, 7, 30, 5};
  DeviceBuffer<T> qkv(x);
  DeviceBuffer<float2> table(turns);
  DeviceBuffer<int32_t> places(positions);
  check(rotate_rows(flow_type_of(T()), qkv.data(), table.data(), places.data(), rows, heads, size,
                    nullptr));
  const std::vector<T> got = qkv.host();
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < 3 * width; i += 2) {
      const int64_t index = row * 3 * width + i;
      const float2 turn = i < 2 * width
                              ? turns[static_cast<size_t>(
                                    positions[static_cast<size_t>(row)] * size / 2 + i % size / 2)]
                              : make_float2(1.0f, 0.0f);
      const double a = at(x, index), b = at(x, index + 1);
      ASSERT_NEAR(at(got, index), a * turn.x - b * turn.y, bound<T>());
      ASSERT_NEAR(at(got, index + 1), a * turn.y + b * turn.x, bound<T>());
    }
  }
}

TEST(FlowKernels, QueriesAndKeysTurnAndValuesDoNot) {
  if (!have_device()) return;
  expect_rotation<float>();
  expect_rotation<__nv_bfloat16>();
  expect_rotation<__half>();
}

template <typename T>
void expect_gates() {
  const int rows = 5, width = 72, step = 1;
  const std::vector<T> x = random_values<T>(static_cast<size_t>(rows * 2 * width), 3.0f, 1);
  const std::vector<T> biases = random_values<T>(static_cast<size_t>(2 * 2 * width), 1.0f, 2);
  DeviceBuffer<T> from(x), table(biases);
  DeviceBuffer<T> gated(static_cast<size_t>(rows * width)), up(gated.size());
  DeviceBuffer<int32_t> counter(std::vector<int32_t>{step});
  const StepTable steps = table_of(table.data(), 2 * width, counter.data());
  check(tanh_gate(flow_type_of(T()), from.data(), gated.data(), steps, rows, width, nullptr));
  check(swiglu(flow_type_of(T()), from.data(), up.data(), rows, width, nullptr));
  const std::vector<T> tanhs = gated.host(), silus = up.host();
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < width; ++i) {
      const double left = at(x, row * 2 * width + i), right = at(x, row * 2 * width + width + i);
      const double gate = right + at(biases, step * 2 * width + width + i);
      ASSERT_NEAR(at(tanhs, row * width + i),
                  std::tanh(left + at(biases, step * 2 * width + i)) / (1.0 + std::exp(-gate)),
                  bound<T>());
      const double silu = left / (1.0 + std::exp(-left)) * right;
      ASSERT_NEAR(at(silus, row * width + i), silu, bound<T>() * (1.0 + std::abs(silu)));
    }
  }
}

TEST(FlowKernels, GatesAreThoseOfTheHost) {
  if (!have_device()) return;
  expect_gates<float>();
  expect_gates<__nv_bfloat16>();
  expect_gates<__half>();
}

TEST(FlowKernels, LargeValuesSaturateTheGates) {
  if (!have_device()) return;
  const int width = 8;
  std::vector<__nv_bfloat16> x;
  for (int i = 0; i < width; ++i) x.push_back(__nv_bfloat16(i % 2 == 0 ? 1e4f : -1e4f));
  for (int i = 0; i < width; ++i) x.push_back(__nv_bfloat16(i % 4 < 2 ? 1e4f : -1e4f));
  DeviceBuffer<__nv_bfloat16> from(x), biases(std::vector<__nv_bfloat16>(16, __nv_bfloat16(0.0f)));
  DeviceBuffer<__nv_bfloat16> gated(8);
  DeviceBuffer<int32_t> counter(std::vector<int32_t>{0});
  check(tanh_gate(FlowType::kBFloat16, from.data(), gated.data(),
                  table_of(biases.data(), 16, counter.data()), 1, width, nullptr));
  const std::vector<__nv_bfloat16> got = gated.host();
  for (int i = 0; i < width; ++i) {
    EXPECT_EQ(at(got, i), (i % 4 < 2 ? 1.0 : 0.0) * (i % 2 == 0 ? 1.0 : -1.0)) << i;
  }
}

// Streams of 1 row more than the reach, of 20 and of 7 rows, then padding.
std::vector<HeadRow> places_of(const std::vector<int>& counts, int padding) {
  std::vector<HeadRow> places;
  int begin = 0;
  for (const int count : counts) {
    for (int i = 0; i < count; ++i) places.push_back({begin, count, 2 * (begin + i) + 1});
    begin += count;
  }
  for (int i = 0; i < padding; ++i) places.push_back({0, 0, 0});
  return places;
}

template <typename T>
void expect_neighbours(int kernel, int dilation) {
  const int reach = kernel / 2 * dilation, width = 16, stride = 40;
  const std::vector<int> counts = {reach + 1, 20, reach + 7};
  const std::vector<HeadRow> places = places_of(counts, 3);
  const int rows = static_cast<int>(places.size());
  std::vector<T> x = random_values<T>(static_cast<size_t>((2 * rows + 2) * stride), 1.0f, 1);
  DeviceBuffer<T> from(x), out(static_cast<size_t>(rows * kernel * width));
  DeviceBuffer<T> gathered(static_cast<size_t>(rows * stride));
  DeviceBuffer<HeadRow> table(places);
  check(unfold_streams(flow_type_of(T()), {from.data(), stride}, out.data(), table.data(), rows,
                       width, kernel, dilation, nullptr));
  check(gather_head(flow_type_of(T()), {from.data(), stride}, {gathered.data(), stride},
                    table.data(), rows, width, nullptr));
  const std::vector<T> got = out.host(), picked = gathered.host();
  for (int row = 0; row < rows; ++row) {
    const HeadRow& place = places[static_cast<size_t>(row)];
    for (int tap = 0; tap < kernel; ++tap) {
      int frame = row - place.begin + (tap - kernel / 2) * dilation;
      if (frame < 0) frame = -frame;
      if (frame >= place.count) frame = 2 * (place.count - 1) - frame;
      for (int i = 0; i < width; ++i) {
        const double want = place.count == 0 ? 0.0 : at(x, (place.begin + frame) * stride + i);
        ASSERT_EQ(at(got, (row * kernel + tap) * width + i), want) << row << " " << tap;
      }
    }
    for (int i = 0; i < width; ++i) {
      const double want = place.count == 0 ? 0.0 : at(x, place.trunk * stride + i);
      ASSERT_EQ(at(picked, row * stride + i), want) << row;
    }
  }
}

TEST(FlowKernels, NeighboursAreReflectedAtTheEndsOfTheirOwnStream) {
  if (!have_device()) return;
  for (const int kernel : {1, 3, 5}) {
    for (const int dilation : {1, 2}) {
      expect_neighbours<float>(kernel, dilation);
      expect_neighbours<__nv_bfloat16>(kernel, dilation);
    }
  }
}

template <typename T>
void expect_euler() {
  const int mel = 24, rows = 3, step = 1;
  // Row 1 has one branch only; trunk row 4 and head row 1 belong to nobody.
  const std::vector<FlowStateRow> places = {
      {{0, 2}, {0, 2}, 0.7f}, {{1, -1}, {3, -1}, 0.0f}, {{5, 3}, {4, 5}, 0.7f}};
  const std::vector<float> x = random_values<float>(static_cast<size_t>(rows * mel), 1.0f, 1);
  const std::vector<float> v = random_values<float>(static_cast<size_t>(6 * mel), 1.0f, 2);
  const std::vector<T> bias = random_values<T>(static_cast<size_t>(mel), 1.0f, 3);
  DeviceBuffer<float> state_x(x), velocity(v), widths(std::vector<float>{9.0f, 0.04f});
  DeviceBuffer<T> biases(bias), trunk(std::vector<T>(6 * 32, T(5.0f))),
      head(std::vector<T>(6 * 40, T(5.0f)));
  DeviceBuffer<FlowStateRow> table(places);
  DeviceBuffer<int32_t> count(std::vector<int32_t>{rows}), counter(std::vector<int32_t>{step});
  FlowState state{flow_type_of(T()),  state_x.data(),   table.data(),
                  count.data(),       /*max_rows=*/6,   mel,
                  {trunk.data(), 32}, {head.data(), 40}};
  check(spread_state(state, nullptr));
  EXPECT_NEAR(at(trunk.host(), 2 * 32 + 3), x[3], bound<T>() * 4);
  check(euler_step(state, velocity.data(), biases.data(), widths.data(), counter.data(), nullptr));
  check(next_step(counter.data(), nullptr));
  EXPECT_EQ(counter.host().front(), step + 1);
  const std::vector<float> got = state_x.host();
  const std::vector<T> trunks = trunk.host(), heads = head.host();
  for (int row = 0; row < rows; ++row) {
    const FlowStateRow& place = places[static_cast<size_t>(row)];
    for (int i = 0; i < mel; ++i) {
      double want = at(v, place.head[0] * mel + i) * (1.0 + place.guidance) + at(bias, i);
      if (place.head[1] >= 0) want -= place.guidance * at(v, place.head[1] * mel + i);
      want = at(x, row * mel + i) + 0.04f * want;
      ASSERT_NEAR(at(got, row * mel + i), want, 1e-5);
      for (int branch = 0; branch < 2; ++branch) {
        if (place.head[branch] < 0) continue;
        ASSERT_NEAR(at(trunks, place.trunk[branch] * 32 + i), want, bound<T>() * 4);
        ASSERT_NEAR(at(heads, place.head[branch] * 40 + i), want, bound<T>() * 4);
      }
    }
  }
  for (int i = 0; i < 32; ++i) EXPECT_EQ(at(trunks, 4 * 32 + i), 5.0);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(at(heads, 1 * 40 + i), 5.0);
}

TEST(FlowKernels, EulerStepMixesTheBranchesAndFeedsBoth) {
  if (!have_device()) return;
  expect_euler<float>();
  expect_euler<__nv_bfloat16>();
  expect_euler<__half>();
}

}  // namespace
}  // namespace indextts2
