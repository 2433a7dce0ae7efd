// The tables of decoding as kernels keep them, against plain loops on the host: what the beams
// read, whom they continue, and the prefix in pages.
#include <algorithm>
#include <cstring>

#include "cuda/kernels/attention_work.h"
#include "cuda/kernels/beam_reorder.h"
#include "cuda/kernels/prefix_pages.h"
#include "decode_scene.h"

namespace indextts2 {
namespace {

// Slots whose lengths lie around words of owners, pages, and what one round of the list takes.
constexpr int kPrefixes[] = {1, 3, 4, 126, 150, 128, 200};
constexpr int kLengths[] = {1, 8, 130, 127, 700, 1023, 1530};
constexpr int kSlots = sizeof(kLengths) / sizeof(kLengths[0]);

HostTables grown(const SceneSize& size, Pasts pasts, std::mt19937* random) {
  HostTables host(size);
  for (int i = 0; i < kSlots; ++i) {
    host.admit(i, i == 2 ? 1 : size.beams, kPrefixes[i]);
    host.grow(i, kLengths[i], pasts, random);
    host.segments.insert(host.segments.begin(), i);
  }
  host.segments.push_back(-1);
  return host;
}

class DecodeTablesTest : public testing::TestWithParam<int> {
 protected:
  const SceneSize size{kSlots, GetParam(), /*heads=*/1, /*layers=*/1, /*max_pages=*/12};
  std::mt19937 random{static_cast<uint32_t>(GetParam())};
};

TEST_P(DecodeTablesTest, ListNamesEachKeyOnceInOrder) {
  if (!have_device()) return;
  DeviceScene<__half> device(size, kSlots + 1);
  for (Pasts pasts : {Pasts::kDrawn, Pasts::kApart}) {
    HostTables host = grown(size, pasts, &random);
    host.done[1] = 1;
    device.upload(host);
    check(list_attention_work(device.tables(), device.work(), kSlots + 1, false, nullptr));
    const std::vector<int32_t> counts = device.counts.host();
    const std::vector<uint32_t> entries = device.entries.host();
    for (int s = 0; s <= kSlots; ++s) {
      const int slot = host.segments[s];
      std::vector<uint32_t> want;
      if (slot >= 0 && slot != 1) want = host.entries(slot);
      ASSERT_EQ(counts[s], static_cast<int32_t>(want.size())) << "slot " << slot;
      const auto first = entries.begin() + s * attention_entries(size.max_pages, size.beams);
      EXPECT_TRUE(std::equal(want.begin(), want.end(), first)) << "slot " << slot;
    }
  }
}

TEST_P(DecodeTablesTest, BeamsContinueTheirParents) {
  if (!have_device()) return;
  DeviceScene<__half> device(size, kSlots + 1);
  HostTables host = grown(size, Pasts::kDrawn, &random);
  host.done[1] = 1;
  device.upload(host);
  DeviceBuffer<int32_t> device_parents(kSlots * size.beams);
  for (int step = 0; step < 5; ++step) {
    std::vector<int32_t> parents(kSlots * size.beams, 0);
    for (int slot = 0; slot < kSlots; ++slot) {
      const std::vector<int32_t> own = host.draw_parents(slot, Pasts::kDrawn, &random);
      std::copy(own.begin(), own.end(), parents.begin() + slot * size.beams);
      if (slot != 1) host.move(slot, own);
    }
    copy_to(&device_parents, parents);
    check(reorder_beams(device.tables(), device_parents.data(), kSlots + 1, false, nullptr));
  }
  ASSERT_EQ(device.length.host(), host.length);
  const std::vector<uint8_t> owner = device.owner.host();
  for (int slot = 0; slot < kSlots; ++slot) {
    for (int b = 0; b < size.beams; ++b) {
      // Rows of beams that are not in use stay as they were.
      const int until =
          b < host.beams[slot] ? host.length[slot] : static_cast<int>(size.positions());
      const size_t row = (static_cast<size_t>(slot) * size.beams + b) * size.positions();
      EXPECT_EQ(std::memcmp(&owner[row], &host.owner[row], until), 0)
          << "slot " << slot << " beam " << b;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Beams, DecodeTablesTest, testing::Values(1, 3, 10));

template <class T>
void copy_a_prefix(int head_size, int positions) {
  constexpr int kSlot = 1, kCapacity = 301;
  const SceneSize size{3, 2, /*heads=*/3, /*layers=*/2, /*max_pages=*/3, head_size};
  DeviceScene<T> device(size, 1);
  HostTables host(size);
  host.segments = {kSlot};
  device.upload(host);
  const int rows = size.layers * 2 * size.heads;
  std::vector<T> source(static_cast<size_t>(rows) * kCapacity * head_size);
  for (size_t i = 0; i < source.size(); ++i) source[i] = Element<T>::from(i % 2039);
  DeviceBuffer<T> device_source(source);
  std::vector<T> want = device.pool.host();
  for (int row = 0; row < rows; ++row) {
    for (int p = 0; p < positions; ++p) {
      const size_t page = kSlot * size.beams * size.max_pages + p / kPageKeys;
      const auto from = source.begin() + (static_cast<size_t>(row) * kCapacity + p) * head_size;
      std::copy(from, from + head_size,
                want.begin() + page * size.page() +
                    (static_cast<size_t>(row) * kPageKeys + p % kPageKeys) * head_size);
    }
  }
  const PrefixSource prefix{device_source.data(), kCapacity, positions,        size.layers,
                            size.heads,           head_size, Element<T>::kType};
  check(copy_prefix(device.tables(), kSlot, prefix, nullptr));
  const std::vector<T> got = device.pool.host();
  EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(T)), 0)
      << head_size << " wide, " << positions << " positions";
}

TEST(PrefixPages, HoldThePrefixAndNothingElse) {
  if (!have_device()) return;
  for (int positions : {0, 1, 127, 128, 129, 300}) {
    copy_a_prefix<float>(64, positions);
    copy_a_prefix<__half>(64, positions);
    copy_a_prefix<__nv_bfloat16>(8, positions);
  }
}

TEST(PrefixPages, RefuseRowsThatAreNoMultipleOf16Bytes) {
  DecodeTables tables{};
  tables.max_pages = 1;
  const PrefixSource source{nullptr, 10, 10, 1, 1, 12, ElementType::kFloat16};
  EXPECT_EQ(copy_prefix(tables, 0, source, nullptr), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace indextts2
