// Draws on the device: bit for bit those of the host.
#include "cuda/kernels/random_fill.h"

#include <cstring>

#include "device_buffer.h"

namespace indextts2 {
namespace {

constexpr RandomStream kStream{/*seed=*/0x0123456789ABCDEFull, /*segment=*/3,
                               RandomPurpose::kFlowNoise};
constexpr size_t kCount = 80 * 2152 + 3;

void expect_same_bits(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0);
}

TEST(RandomFill, NormalsAreThoseOfTheHost) {
  if (!have_device()) return;
  DeviceBuffer<float> got(kCount);
  check(fill_normal(kStream, 0, got.data(), kCount, nullptr));
  std::vector<float> want(kCount);
  fill_normal(kStream, 0, want.data(), kCount);
  expect_same_bits(got.host(), want);
}

TEST(RandomFill, ExponentialsAreThoseOfTheHostFromAnyElementOn) {
  if (!have_device()) return;
  const uint64_t first = (uint64_t{1} << 33) + 5;
  DeviceBuffer<float> got(kCount);
  check(fill_exponential(kStream, first, got.data(), kCount, nullptr));
  std::vector<float> want(kCount);
  fill_exponential(kStream, first, want.data(), kCount);
  expect_same_bits(got.host(), want);
}

}  // namespace
}  // namespace indextts2
