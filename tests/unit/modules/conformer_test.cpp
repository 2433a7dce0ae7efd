// Conformer: its subsampling is the same whatever the length of the clip.
#include "modules/conformer.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

// Input width of the tiny model.
constexpr int64_t kWidth = 40;

ConformerEncoder conformer(at::ScalarType matrices = at::kFloat) {
  const std::string file = std::string(INDEXTTS2_TINY_MODEL) + "/gpt.pth";
  WeightsOptions options;
  options.matrix_dtype = matrices;
  return ConformerEncoder(Weights(open_checkpoint(file), options).scope("conditioning_encoder"),
                          kWidth);
}

at::Tensor noise(int64_t frames) {
  std::vector<float> values(frames * kWidth);
  uint32_t state = 7;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
  }
  return host_tensor(values, {1, frames, kWidth});
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.sub(b).abs().max().item<double>();
}

TEST(Conformer, SubsamplingDoesNotDependOnRuns) {
  const ConformerEncoder encoder = conformer();
  const at::Tensor features = noise(749);
  const at::Tensor all = encoder.subsample(features);
  ASSERT_EQ(all.size(1), 374);
  // Cut elsewhere than the full pass cuts.
  for (const int64_t start : {0, 33, 50, 127, 300}) {
    const at::Tensor part = encoder.subsample(features.narrow(1, 2 * start, 101));
    ASSERT_EQ(part.size(1), 50);
    EXPECT_LT(largest_difference(part, all.narrow(1, start, 50)), 1e-5) << start;
  }
}

// All but the largest layer computes in float32: so do its results, and they differ by rounding.
TEST(Conformer, MatricesMayBeKeptInHalfPrecision) {
  const at::Tensor features = noise(131);
  const at::Tensor exact = conformer().forward(features);
  const at::Tensor rounded = conformer(at::kHalf).forward(features);
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  const double difference = largest_difference(rounded, exact);
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, 5e-3 * exact.abs().max().item<double>());
}

TEST(Conformer, HalvesTheFrames) {
  const ConformerEncoder encoder = conformer();
  for (const auto& [frames, wanted] :
       {std::pair{3, 1}, std::pair{4, 1}, std::pair{5, 2}, std::pair{131, 65}}) {
    EXPECT_EQ(encoder.forward(noise(frames)).sizes(),
              at::IntArrayRef({1, wanted, encoder.width()}));
  }
}

TEST(Conformer, RefusesTooFewFrames) { EXPECT_THROW(conformer().forward(noise(2)), Error); }

TEST(Conformer, RefusesAnotherInputWidth) {
  const std::string file = std::string(INDEXTTS2_TINY_MODEL) + "/gpt.pth";
  EXPECT_THROW(
      ConformerEncoder(Weights(open_checkpoint(file), {}).scope("conditioning_encoder"), 64),
      Error);
}

}  // namespace
}  // namespace indextts2
