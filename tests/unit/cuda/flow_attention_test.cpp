// Attention of ragged rows against a host loop in float64, and its independence of the neighbours.
#include "cuda/kernels/flow_attention.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "device_buffer.h"
#include "flow_values.h"

namespace indextts2 {
namespace {

// A stream of `keys` rows whose last `queries` are attended from.
struct Stream {
  int row, keys, queries, out_row;
};

std::vector<AttentionTile> tiles_of(const std::vector<Stream>& streams, int tile_rows) {
  std::vector<AttentionTile> tiles;
  for (const Stream& s : streams) {
    for (int i = 0; i < s.queries; i += tile_rows) {
      tiles.push_back({s.row + s.keys - s.queries + i, std::min(tile_rows, s.queries - i), s.row,
                       s.keys, s.out_row + i});
    }
  }
  return tiles;
}

struct Setup {
  int rows, out_rows, heads, head_size;
  std::vector<Stream> streams;
};

template <typename T>
std::vector<T> attend(const Setup& setup, const std::vector<T>& qkv,
                      int tile_rows = kAttentionRows) {
  const std::vector<AttentionTile> tiles = tiles_of(setup.streams, tile_rows);
  DeviceBuffer<T> from(qkv);
  DeviceBuffer<T> out(static_cast<size_t>(setup.out_rows * setup.heads * setup.head_size));
  DeviceBuffer<AttentionTile> table(tiles);
  DeviceBuffer<int32_t> count(std::vector<int32_t>{static_cast<int32_t>(tiles.size())});
  AttentionCall call;
  call.type = flow_type_of(T());
  call.qkv = from.data();
  call.out = out.data();
  call.tiles = table.data();
  call.tile_count = count.data();
  call.max_tiles = static_cast<int>(tiles.size()) + 3;  // some do nothing
  call.heads = setup.heads;
  call.head_size = setup.head_size;
  check(attend_streams(call, nullptr));
  check(cudaDeviceSynchronize());
  return out.host();
}

// The result of one query and head.
template <typename T>
std::vector<double> expected(const Setup& setup, const std::vector<T>& qkv, const Stream& stream,
                             int query, int head) {
  const int width = setup.heads * setup.head_size;
  const auto at = [&](int row, int part, int i) {
    return static_cast<double>(static_cast<float>(
        qkv[static_cast<size_t>((row * 3 + part) * width + head * setup.head_size + i)]));
  };
  std::vector<double> weights;
  double sum = 0.0;
  const int row = stream.row + stream.keys - stream.queries + query;
  for (int key = 0; key < stream.keys; ++key) {
    double score = 0.0;
    for (int i = 0; i < setup.head_size; ++i) score += at(row, 0, i) * at(stream.row + key, 1, i);
    weights.push_back(std::exp(score / std::sqrt(static_cast<double>(setup.head_size))));
    sum += weights.back();
  }
  std::vector<double> result(static_cast<size_t>(setup.head_size));
  for (int key = 0; key < stream.keys; ++key) {
    for (int i = 0; i < setup.head_size; ++i) {
      result[static_cast<size_t>(i)] +=
          weights[static_cast<size_t>(key)] / sum * at(stream.row + key, 2, i);
    }
  }
  return result;
}

// The largest tiles that the float32 kernel of this device takes.
int float_tile_rows(const Setup& setup) {
  return attention_tile_rows(FlowType::kFloat32, setup.heads, setup.head_size, setup.rows);
}

template <typename T>
void expect_right(const Setup& setup, double bound) {
  const int width = setup.heads * setup.head_size;
  // Padding rows hold NaN: they must reach nobody.
  std::vector<T> qkv(static_cast<size_t>(setup.rows * 3 * width), T(NAN));
  const std::vector<T> values = random_values<T>(qkv.size(), 1.0f, 7);
  for (const Stream& s : setup.streams) {
    std::copy(values.begin() + s.row * 3 * width, values.begin() + (s.row + s.keys) * 3 * width,
              qkv.begin() + s.row * 3 * width);
  }
  const std::vector<T> got = attend(setup, qkv);
  for (const Stream& s : setup.streams) {
    for (int query = 0; query < s.queries; ++query) {
      for (int head = 0; head < setup.heads; ++head) {
        const std::vector<double> want = expected(setup, qkv, s, query, head);
        for (int i = 0; i < setup.head_size; ++i) {
          const auto at =
              static_cast<size_t>((s.out_row + query) * width + head * setup.head_size + i);
          ASSERT_NEAR(static_cast<double>(static_cast<float>(got[at])),
                      want[static_cast<size_t>(i)], bound)
              << "stream at row " << s.row << ", query " << query << ", head " << head;
        }
      }
    }
  }
}

Setup ragged(int head_size) {
  // A single key, less than a tile, one more than a tile, pruned queries, several query tiles.
  return {
      1200,
      700,
      3,
      head_size,
      {{0, 1, 1, 0}, {1, 40, 40, 1}, {50, 65, 9, 41}, {115, 128, 97, 50}, {300, 449, 449, 150}}};
}

// Products of numbers cut to TF32 would be off by some 1e-3.
TEST(FlowAttention, FloatIsThatOfTheHost) {
  if (!have_device()) return;
  expect_right<float>(ragged(64), 2e-6);
  expect_right<float>(ragged(32), 2e-6);
}

// The difference between the results of a stream's queries and the host's, relative to the latter.
struct Error {
  double spread = 0.0, mean = 0.0;  // root of the mean square; away from zero (< 0: towards it)
};

Error float_error(const Setup& setup, const std::vector<float>& qkv) {
  const int width = setup.heads * setup.head_size;
  const Stream& stream = setup.streams.front();
  const std::vector<float> got = attend(setup, qkv, float_tile_rows(setup));
  double squares = 0.0, sum = 0.0, size = 0.0;
  for (int query = 0; query < stream.queries; query += 7) {
    for (int head = 0; head < setup.heads; ++head) {
      const std::vector<double> want = expected(setup, qkv, stream, query, head);
      for (int i = 0; i < setup.head_size; ++i) {
        const double one = want[static_cast<size_t>(i)];
        const auto at = static_cast<size_t>(query * width + head * setup.head_size + i);
        const double more = static_cast<double>(got[at]) - one;
        squares += more * more;
        sum += one > 0 ? more : -more;
        size += one * one;
      }
    }
  }
  const double count = static_cast<double>((stream.queries + 6) / 7 * width);
  return {std::sqrt(squares / size), sum / std::sqrt(size * count)};
}

// Sums over many keys as exact as those of float32: neither are numbers cut to TF32, nor sums by
// the tensor cores, which shows most where all that is added up has one sign.
void expect_exact_long_sums() {
  const Setup setup{2153, 300, 2, 64, {{0, 2153, 300, 0}}};
  const auto size = static_cast<size_t>(setup.rows * 3 * 2 * 64);
  const Error wide = float_error(setup, random_values<float>(size, 1.0f, 17));
  EXPECT_LT(wide.spread, 2e-6);
  std::vector<float> positive = random_values<float>(size, 1.0f, 19);
  for (size_t i = 0; i < positive.size(); ++i) {
    if (i / 128 % 3 == 2) positive[i] = 1.0f + 0.1f * positive[i];  // the values
  }
  const Error near_one = float_error(setup, positive);
  EXPECT_LT(near_one.spread, 1.5e-6);
  EXPECT_LT(std::abs(near_one.mean), 4e-7);
}

TEST(FlowAttention, LongFloatSumsAreExact) {
  if (!have_device()) return;
  expect_exact_long_sums();
}

TEST(FlowAttention, BFloat16IsNearTheHost) {
  if (!have_device()) return;
  expect_right<__nv_bfloat16>(ragged(64), 0.03);
  expect_right<__nv_bfloat16>(ragged(32), 0.03);
}

TEST(FlowAttention, HalfIsNearTheHost) {
  if (!have_device()) return;
  expect_right<__half>(ragged(64), 0.005);
  expect_right<__half>(ragged(32), 0.005);
}

// The same stream alone at row 0 and as the third of several gives the same bits.
template <typename T>
void expect_same_bits_elsewhere() {
  const int heads = 8, head_size = 64, width = heads * head_size, keys = 333, queries = 222;
  const std::vector<T> stream = random_values<T>(static_cast<size_t>(keys * 3 * width), 2.0f, 3);
  std::vector<T> packed = random_values<T>(static_cast<size_t>(1000 * 3 * width), 2.0f, 4);
  const int row = 517, out_row = 411;
  std::copy(stream.begin(), stream.end(), packed.begin() + row * 3 * width);
  const std::vector<T> alone =
      attend(Setup{keys, queries, heads, head_size, {{0, keys, queries, 0}}}, stream);
  const std::vector<T> beside =
      attend(Setup{1000,
                   out_row + queries,
                   heads,
                   head_size,
                   {{0, 400, 311, 0}, {400, 117, 100, 311}, {row, keys, queries, out_row}}},
             packed);
  EXPECT_EQ(std::memcmp(alone.data(), beside.data() + out_row * width, alone.size() * sizeof(T)),
            0);
}

// So that a segment alone, whose tiles are small, has the bits of one among many.
template <typename T>
void expect_same_bits_in_other_tiles(int head_size) {
  const Setup setup = ragged(head_size);
  const int width = setup.heads * setup.head_size;
  const std::vector<T> qkv =
      random_values<T>(static_cast<size_t>(setup.rows * 3 * width), 3.0f, 11);
  const std::vector<T> want = attend(setup, qkv);
  const int largest =
      std::is_same_v<T, float> ? float_tile_rows(setup) : static_cast<int>(kLargeAttentionRows);
  for (const int tile_rows : {largest, 64, 32, 1}) {
    const std::vector<T> got = attend(setup, qkv, tile_rows);
    for (const Stream& s : setup.streams) {
      EXPECT_EQ(std::memcmp(got.data() + s.out_row * width, want.data() + s.out_row * width,
                            static_cast<size_t>(s.queries * width) * sizeof(T)),
                0)
          << tile_rows << " rows a tile, stream at row " << s.row;
    }
  }
}

TEST(FlowAttention, TilesChangeNoBit) {
  if (!have_device()) return;
  for (const int head_size : {32, 64}) {
    expect_same_bits_in_other_tiles<float>(head_size);
    expect_same_bits_in_other_tiles<__nv_bfloat16>(head_size);
    expect_same_bits_in_other_tiles<__half>(head_size);
  }
}

TEST(FlowAttention, NeighboursChangeNoBit) {
  if (!have_device()) return;
  expect_same_bits_elsewhere<float>();
  expect_same_bits_elsewhere<__nv_bfloat16>();
  expect_same_bits_elsewhere<__half>();
}

}  // namespace
}  // namespace indextts2
