// Philox streams: known answers, fixed bits, statistics, accuracy of log, sin and cos.
#include "core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace indextts2 {
namespace {

constexpr RandomStream kStream{/*seed=*/0x0123456789ABCDEFull, /*segment=*/7,
                               RandomPurpose::kCodes};

void expect_words(const RandomBlock& got, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  EXPECT_EQ(got.word[0], a);
  EXPECT_EQ(got.word[1], b);
  EXPECT_EQ(got.word[2], c);
  EXPECT_EQ(got.word[3], d);
}

// Vectors of the Random123 distribution.
TEST(Philox, KnownAnswers) {
  expect_words(philox4x32({{0, 0, 0, 0}}, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  expect_words(philox4x32({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u), 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
               0x6d5451fd);
  expect_words(
      philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

TEST(Random, StreamsDifferByEveryPartOfTheirName) {
  std::set<uint32_t> words;
  for (uint64_t seed : {0ull, 1ull, 1ull << 32}) {
    for (uint32_t segment : {0u, 1u}) {
      for (RandomPurpose purpose : {RandomPurpose::kCodes, RandomPurpose::kFlowNoise}) {
        for (uint64_t block : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
          words.insert(random_block({seed, segment, purpose}, block).word[0]);
        }
      }
    }
  }
  EXPECT_EQ(words.size(), 3u * 2 * 2 * 3);
}

TEST(Random, ElementsDoNotDependOnWhereAFillStarts) {
  std::vector<float> whole(1000), part(600);
  for (auto fill : {fill_uniform, fill_exponential, fill_normal}) {
    fill(kStream, 0, whole.data(), whole.size());
    fill(kStream, 123, part.data(), part.size());
    for (size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], whole[123 + i]) << i;
  }
}

// Changing any of these bits changes the output of every seed.
TEST(Random, FixedBits) {
  EXPECT_EQ(exact::bits(uniform_at(kStream, 0)), 0x3f3bc5bdu);
  EXPECT_EQ(exact::bits(uniform_at(kStream, 24581)), 0x3f56ccfbu);
  EXPECT_EQ(exact::bits(exponential_at(kStream, 0)), 0x3e9eb159u);
  EXPECT_EQ(exact::bits(exponential_at(kStream, uint64_t{1} << 40)), 0x3f715c25u);
  EXPECT_EQ(exact::bits(normal_at(kStream, 0)), 0xbe44d27fu);
  EXPECT_EQ(exact::bits(normal_at(kStream, 1)), 0x3f437578u);
  EXPECT_EQ(exact::bits(normal_at(kStream, 6)), 0xbde1f37cu);
  uint32_t sum = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    sum = sum * 31 + exact::bits(exponential_at(kStream, i)) + exact::bits(normal_at(kStream, i));
  }
  EXPECT_EQ(sum, 0x6b41c48fu);
}

TEST(Random, Statistics) {
  constexpr size_t kCount = 1 << 20;
  std::vector<float> x(kCount);
  auto moment = [&](int power, double centre) {
    double sum = 0;
    for (float v : x) sum += std::pow(v - centre, power);
    return sum / kCount;
  };
  fill_uniform(kStream, 0, x.data(), kCount);
  for (float v : x) ASSERT_TRUE(v > 0.0f && v < 1.0f);
  EXPECT_NEAR(moment(1, 0.0), 0.5, 2e-3);
  EXPECT_NEAR(moment(2, 0.5), 1.0 / 12, 1e-3);
  fill_exponential(kStream, 0, x.data(), kCount);
  for (float v : x) ASSERT_TRUE(v > 0.0f && std::isfinite(v));
  EXPECT_NEAR(moment(1, 0.0), 1.0, 5e-3);
  EXPECT_NEAR(moment(2, 1.0), 1.0, 2e-2);
  fill_normal(kStream, 0, x.data(), kCount);
  EXPECT_NEAR(moment(1, 0.0), 0.0, 5e-3);
  EXPECT_NEAR(moment(2, 0.0), 1.0, 1e-2);
  EXPECT_NEAR(moment(3, 0.0), 0.0, 2e-2);
  EXPECT_NEAR(moment(4, 0.0), 3.0, 6e-2);
  double pairs = 0;
  for (size_t i = 0; i + 1 < kCount; ++i) pairs += double{x[i]} * x[i + 1];
  EXPECT_NEAR(pairs / kCount, 0.0, 5e-3);
}

TEST(Random, ExtremeWordsStayFinite) {
  for (uint32_t word : {0u, 1u, 511u, 512u, 0x7fffffffu, 0x80000000u, 0xfffffdffu, 0xffffffffu}) {
    EXPECT_GT(uniform_of(word), 0.0f);
    EXPECT_LT(uniform_of(word), 1.0f);
    EXPECT_GT(exponential_of(word), 0.0f);
    float a, b;
    normals_of(word, word, &a, &b);
    EXPECT_TRUE(std::isfinite(a) && std::isfinite(b));
  }
}

TEST(Random, IntegersCoverTheirRangeEvenly) {
  const RandomStream stream{5, 0, RandomPurpose::kEmotionRows};
  std::vector<int> count(17);
  for (uint64_t i = 0; i < 17000; ++i) ++count.at(integer_at(stream, i, 17));
  for (int n : count) EXPECT_NEAR(n, 1000, 150);
}

TEST(ExactMath, LogIsWithinThreeUlp) {
  double worst = 0;
  for (uint32_t i = 0; i < 1u << 23; i += 37) {
    const float u = (static_cast<float>(i) + 0.5f) / 8388608.0f;
    const double want = std::log(double{u});
    const float nearest = static_cast<float>(want);
    const double ulp = std::abs(double{std::nextafter(nearest, -100.0f)} - nearest);
    worst = std::max(worst, std::abs(exact::log(u) - want) / ulp);
  }
  EXPECT_LT(worst, 3.0);
  EXPECT_EQ(exact::log(1.0f), 0.0f);
  EXPECT_NEAR(exact::log(1e30f), std::log(1e30), 1e-5);
  EXPECT_NEAR(exact::log(1.2e-38f), std::log(1.2e-38), 1e-5);
}

TEST(ExactMath, SineAndCosineAreWithinTheirBound) {
  double worst = 0;
  for (int i = 0; i <= 1 << 20; ++i) {
    const float turns = static_cast<float>(i) / (1 << 20);
    float sine, cosine;
    exact::sin_cos_turns(turns, &sine, &cosine);
    const double angle = 2 * M_PI * double{turns};
    worst = std::max({worst, std::abs(sine - std::sin(angle)), std::abs(cosine - std::cos(angle))});
  }
  EXPECT_LT(worst, 1.5e-7);
}

}  // namespace
}  // namespace indextts2
