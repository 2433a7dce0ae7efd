// Rotary position embedding.
#include "ops/rotary.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/near.h"

namespace indextts2 {
namespace {

TEST(Rotary, TurnsInterleavedPairs) {
  const at::Tensor x = at::randn({1, 4, 1, 6});
  at::Tensor y = x.clone();
  rotate_(y, rotary_table(4, 6, 10000.0, at::kCPU));
  for (int64_t t = 0; t < 4; ++t) {
    for (int64_t pair = 0; pair < 3; ++pair) {
      const double angle = static_cast<double>(t) * std::pow(10000.0, -2.0 * pair / 6);
      const double a = x[0][t][0][2 * pair].item<double>();
      const double b = x[0][t][0][2 * pair + 1].item<double>();
      EXPECT_NEAR(y[0][t][0][2 * pair].item<double>(), a * std::cos(angle) - b * std::sin(angle),
                  1e-6);
      EXPECT_NEAR(y[0][t][0][2 * pair + 1].item<double>(),
                  b * std::cos(angle) + a * std::sin(angle), 1e-6);
    }
  }
}

TEST(Rotary, WorksInPlaceOnAPartOfATensor) {
  const at::Tensor table = rotary_table(7, 4, 10000.0, at::kCPU);
  const at::Tensor both = at::randn({2, 7, 2, 3, 4});
  at::Tensor want = both.select(2, 0).clone();
  const at::Tensor other = both.select(2, 1).clone();
  rotate_(want, table);
  rotate_(both.select(2, 0), table);
  EXPECT_EQ(largest_difference(both.select(2, 0), want), 0.0);
  EXPECT_EQ(largest_difference(both.select(2, 1), other), 0.0);
}

TEST(Rotary, TurnsHalves) {
  const at::Tensor x = at::randn({2, 9, 3, 6});
  const at::Tensor y = rotate_halves(x, rotary_table(9, 6, 1e6, at::kCPU));
  for (int64_t t = 0; t < 9; ++t) {
    for (int64_t pair = 0; pair < 3; ++pair) {
      const double angle = static_cast<double>(t) * std::pow(1e6, -2.0 * pair / 6);
      const double a = x[1][t][2][pair].item<double>(), b = x[1][t][2][pair + 3].item<double>();
      EXPECT_NEAR(y[1][t][2][pair].item<double>(), a * std::cos(angle) - b * std::sin(angle), 2e-6);
      EXPECT_NEAR(y[1][t][2][pair + 3].item<double>(), b * std::cos(angle) + a * std::sin(angle),
                  2e-6);
    }
  }
}

TEST(Rotary, HalvesKeepHalfPrecision) {
  const at::Tensor table = rotary_table(7, 4, 10000.0, at::kCPU);
  const at::Tensor x = at::randn({2, 7, 3, 4}).to(at::kBFloat16);
  const at::Tensor got = rotate_halves(x, table);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  EXPECT_LT(largest_difference(got, rotate_halves(x.to(at::kFloat), table)), 0.03);
}

TEST(Rotary, KeepsHalfPrecision) {
  const at::Tensor table = rotary_table(7, 4, 10000.0, at::kCPU);
  const at::Tensor x = at::randn({2, 7, 3, 4}).to(at::kBFloat16);
  at::Tensor got = x.clone(), want = x.to(at::kFloat);
  rotate_(got, table);
  rotate_(want, table);
  EXPECT_LT(largest_difference(got, want), 0.03);
}

}  // namespace
}  // namespace indextts2
