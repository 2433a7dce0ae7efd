// Products of float32 on tensor cores against sums in double and in float32.
#include "cuda/kernels/float_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cuda/kernels/device_code.h"
#include "device_buffer.h"
#include "elements.h"

namespace indextts2 {
namespace {

bool have_products() {
  if (!have_device()) return false;
  if (float_product_takes(4, 4)) {
    check(prepare_float_products());
    return true;
  }
  std::printf("left out: no code for this GPU\n");
  return false;
}

using Tiles = std::vector<FloatTile>;

// Tiles that give the same bits.
std::vector<Tiles> families() {
  std::vector<Tiles> all;
  for (const Tiles& of : {Tiles{FloatTile::kFastest}, Tiles{FloatTile::kFastestWide},
                          Tiles{FloatTile::k128x128, FloatTile::k96x128, FloatTile::k64x64},
                          Tiles{FloatTile::kWide128x128, FloatTile::kWide64x64}}) {
    Tiles fit;
    for (const FloatTile tile : of) {
      if (float_tile_fits(tile)) fit.push_back(tile);
    }
    if (!fit.empty()) all.push_back(fit);
  }
  return all;
}

// Matrices with gaps behind their rows.
struct Problem {
  int64_t rows, in, out, gap = 0;
  bool has_bias = true, has_add = true, add_is_y = false;
  std::vector<float> x, weight, bias, add;

  Problem(int64_t r, int64_t i, int64_t o, int64_t g = 0) : rows(r), in(i), out(o), gap(g) {
    x = noise(static_cast<size_t>(rows * (in + gap)), 1.0f, 1);
    weight = noise(static_cast<size_t>(out * in), 0.1f, 2);
    bias = noise(static_cast<size_t>(out), 1.0f, 3);
    add = noise(static_cast<size_t>(rows * (out + gap)), 1.0f, 4);
  }
  float x_at(int64_t row, int64_t k) const { return x[static_cast<size_t>(row * (in + gap) + k)]; }
  float weight_at(int64_t o, int64_t k) const { return weight[static_cast<size_t>(o * in + k)]; }
  float add_at(int64_t row, int64_t o) const {
    return add[static_cast<size_t>(row * (out + gap) + o)];
  }
};

// Rows `first` .. `first + rows - 1`; with the gaps.
std::vector<float> run(const Problem& problem, FloatTile tile, int64_t first, int64_t rows) {
  DeviceBuffer<float> x(problem.x), weight(problem.weight), bias(problem.bias), add(problem.add);
  DeviceBuffer<float> y(problem.add.size());
  FloatProduct product;
  product.rows = rows;
  product.in = problem.in;
  product.out = problem.out;
  product.x_stride = problem.in + problem.gap;
  product.x = x.data() + first * product.x_stride;
  product.weight = weight.data();
  product.bias = problem.has_bias ? bias.data() : nullptr;
  product.y_stride = product.add_stride = problem.out + problem.gap;
  if (problem.has_add) product.add = add.data() + first * product.add_stride;
  product.y = (problem.add_is_y ? add : y).data() + first * product.y_stride;
  check(float_product(product, nullptr, tile));
  const std::vector<float> all = (problem.add_is_y ? add : y).host();
  return {all.begin() + first * product.y_stride, all.begin() + (first + rows) * product.y_stride};
}

std::vector<float> run(const Problem& problem, FloatTile tile) {
  return run(problem, tile, 0, problem.rows);
}

// Root mean squares over all results, each in units of its row's largest.
struct Errors {
  double of_product = 0.0, of_float_sums = 0.0;
};

Errors errors_of(const Problem& problem, const std::vector<float>& got) {
  Errors errors;
  for (int64_t row = 0; row < problem.rows; ++row) {
    std::vector<double> exact;
    std::vector<float> floats;
    double most = 0.0;
    for (int64_t o = 0; o < problem.out; ++o) {
      double sum = 0.0;
      float float_sum = 0.0f;
      for (int64_t k = 0; k < problem.in; ++k) {
        const float a = problem.x_at(row, k), b = problem.weight_at(o, k);
        sum += static_cast<double>(a) * b;
        float_sum = std::fma(a, b, float_sum);
      }
      const float bias = problem.has_bias ? problem.bias[static_cast<size_t>(o)] : 0.0f;
      const float add = problem.has_add ? problem.add_at(row, o) : 0.0f;
      exact.push_back(sum + bias + add);
      floats.push_back(float_sum + bias + add);
      most = std::max(most, std::abs(exact.back()));
    }
    if (most == 0.0) most = 1.0;
    for (int64_t o = 0; o < problem.out; ++o) {
      const auto i = static_cast<size_t>(o);
      const double result = got[static_cast<size_t>(row * (problem.out + problem.gap) + o)];
      errors.of_product += std::pow((result - exact[i]) / most, 2);
      errors.of_float_sums += std::pow((floats[i] - exact[i]) / most, 2);
    }
  }
  const auto count = static_cast<double>(problem.rows * problem.out);
  errors.of_product = std::sqrt(errors.of_product / count);
  errors.of_float_sums = std::sqrt(errors.of_float_sums / count);
  return errors;
}

// Rounding to TF32 gives 1e-4. Of few products a float sum rounds little; behind a hundred the
// products of halves are nearer.
void expect_exact(const Problem& problem, const std::vector<float>& got) {
  const Errors errors = errors_of(problem, got);
  std::printf("  in %d: error %.2e, of float sums %.2e\n", static_cast<int>(problem.in),
              errors.of_product, errors.of_float_sums);
  EXPECT_LT(errors.of_product, 2e-7);
  EXPECT_LT(errors.of_product, 3 * errors.of_float_sums + 3e-8);
  for (int64_t row = 0; row < problem.rows; ++row) {
    for (int64_t o = problem.out; o < problem.out + problem.gap; ++o) {
      const auto i = static_cast<size_t>(row * (problem.out + problem.gap) + o);
      const float left = problem.add_is_y ? problem.add[i] : std::nanf("");
      EXPECT_TRUE(got[i] == left || (std::isnan(got[i]) && std::isnan(left))) << "gap of " << row;
    }
  }
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), 4 * a.size()) == 0;
}

TEST(FloatProduct, IsAsExactAsFloatSums) {
  if (!have_products()) return;
  for (const Tiles& family : families()) {
    for (const int64_t in : {4, 32, 36, 80, 160, 512}) {
      Problem problem(70, in, in == 512 ? 136 : 80);
      for (int kind = 0; kind < (in == 512 ? 1 : 4); ++kind) {
        problem.has_bias = kind % 2 == 1;
        problem.has_add = kind / 2 == 1;
        SCOPED_TRACE(::testing::Message() << "in " << in << ", kind " << kind);
        expect_exact(problem, run(problem, family.front()));
      }
    }
  }
}

TEST(FloatProduct, LongSumsAreMoreExactThanThoseOfFloats) {
  if (!have_products()) return;
  for (const Tiles& family : families()) {
    for (const int64_t in : {512, 2560}) {
      Problem problem(32, in, 64);
      problem.has_bias = problem.has_add = false;
      const Errors errors = errors_of(problem, run(problem, family.front()));
      EXPECT_LT(errors.of_product, errors.of_float_sums) << in;
    }
  }
}

TEST(FloatProduct, TilesHaveTheSameBits) {
  if (!have_products()) return;
  const Problem problem(133, 100, 132, 4);
  for (const Tiles& family : families()) {
    const std::vector<float> want = run(problem, family.front());
    expect_exact(problem, want);
    for (const FloatTile tile : family) {
      EXPECT_TRUE(same_bits(run(problem, tile), want)) << static_cast<int>(tile);
    }
  }
}

TEST(FloatProduct, ARowsBitsDoNotDependOnTheOthers) {
  if (!have_products()) return;
  const Problem problem(140, 72, 36, 8);
  const int64_t stride = problem.out + problem.gap;
  for (const Tiles& family : families()) {
    const std::vector<float> want = run(problem, family.front());
    for (const FloatTile tile : family) {
      for (const int64_t rows : {1, 2, 15, 63, 64, 65, 96, 97, 128, 129}) {
        for (const int64_t first : {int64_t{0}, 140 - rows}) {
          const std::vector<float> there(want.begin() + first * stride,
                                         want.begin() + (first + rows) * stride);
          EXPECT_TRUE(same_bits(run(problem, tile, first, rows), there))
              << "rows " << rows << " from " << first << ", tile " << static_cast<int>(tile);
        }
      }
    }
  }
}

// Other tiles are the fastest for other numbers of rows.
TEST(FloatProduct, FewAndManyRowsHaveTheSameBits) {
  if (!have_products()) return;
  const Problem problem(700, 64, 1536);
  for (const FloatTile tile : {FloatTile::kFastest, FloatTile::kFastestWide}) {
    const std::vector<float> want = run(problem, tile);
    for (const int64_t rows : {1, 100, 129, 300, 500}) {
      EXPECT_TRUE(
          same_bits(run(problem, tile, 0, rows), {want.begin(), want.begin() + rows * problem.out}))
          << rows;
    }
  }
}

TEST(FloatProduct, AddsToWhatIsThere) {
  if (!have_products()) return;
  for (const Tiles& family : families()) {
    Problem problem(67, 64, 72, 12);
    const std::vector<float> want = run(problem, family.front());
    problem.add_is_y = true;
    const std::vector<float> got = run(problem, family.front());
    expect_exact(problem, got);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_TRUE(std::isnan(want[i]) || got[i] == want[i]) << i;
    }
  }
}

// Rows, groups and numbers of a group that are far from one another in size; rows of zeros, numbers
// that float32 holds with fewer bits.
TEST(FloatProduct, TakesNumbersOfAllSizes) {
  if (!have_products()) return;
  Problem problem(64, 160, 64);
  problem.has_bias = problem.has_add = false;
  for (int64_t row = 0; row < problem.rows; ++row) {
    for (int64_t k = 0; k < problem.in; ++k) {
      const auto power = static_cast<int>((row * 7) % 160 - 80 + k / 32 * 3 - k % 5 * 3);
      float& x = problem.x[static_cast<size_t>(row * problem.in + k)];
      x = row % 8 == 3 ? 0.0f : std::ldexp(x, row % 8 == 5 ? power - 64 : power);
    }
  }
  for (int64_t o = 0; o < problem.out; ++o) {
    for (int64_t k = 0; k < problem.in; ++k) {
      float& weight = problem.weight[static_cast<size_t>(o * problem.in + k)];
      weight = o % 8 == 2 ? 0.0f : std::ldexp(weight, static_cast<int>(k / 32 * 2 - k % 3));
    }
  }
  for (const Tiles& family : families()) expect_exact(problem, run(problem, family.front()));
}

// What lies far below its group's largest number still counts.
TEST(FloatProduct, SmallNumbersCountBesideLargeOnes) {
  if (!have_products()) return;
  Problem problem(32, 64, 32);
  problem.has_bias = problem.has_add = false;
  for (int64_t row = 0; row < problem.rows; ++row) {
    problem.x[static_cast<size_t>(row * problem.in + 5)] = std::ldexp(1.0f, 15);
  }
  for (int64_t o = 0; o < problem.out; ++o) {
    problem.weight[static_cast<size_t>(o * problem.in + 5)] = 0.0f;
  }
  for (const Tiles& family : families()) expect_exact(problem, run(problem, family.front()));
}

TEST(FloatProduct, WhatIsNotFiniteStaysInItsRow) {
  if (!have_products()) return;
  for (const Tiles& family : families()) {
    Problem problem(66, 64, 64);
    const std::vector<float> want = run(problem, family.front());
    problem.x[3 * 64 + 40] = std::nanf("");
    problem.x[65 * 64 + 1] = std::numeric_limits<float>::infinity();
    const std::vector<float> got = run(problem, family.front());
    for (size_t i = 0; i < got.size(); ++i) {
      if (i / 64 == 3 || i / 64 == 65) {
        EXPECT_FALSE(std::isfinite(got[i])) << i;
      } else {
        EXPECT_EQ(got[i], want[i]) << i;
      }
    }
  }
}

TEST(FloatProduct, TakesWholeUnitsAlone) {
  FloatProduct product;
  product.rows = product.out = 4;
  product.in = 6;
  EXPECT_EQ(float_product(product, nullptr), cudaErrorInvalidValue);
  EXPECT_FALSE(float_product_takes(6, 4));
  EXPECT_FALSE(float_product_takes(4, 2));
  EXPECT_EQ(float_product_takes(4, 4), has_device_code(80));
}

}  // namespace
}  // namespace indextts2
