// The anti-aliased snake activation and the convolution behind it: loops against their definitions.
#include "ops/snake.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/snake_loop.h"
#include "support/memory_checkpoint.h"
#include "support/near.h"

namespace indextts2 {
namespace {

constexpr int64_t kChannels = 3;

// Random filters: a mistake in the order of taps shows, as it would not with symmetric ones.
AntiAliasedSnake random_snake(int64_t taps) {
  return AntiAliasedSnake(
      memory_weights({{"act.alpha", at::randn({kChannels})},
                      {"act.beta", at::randn({kChannels})},
                      {"upsample.filter", at::randn({1, 1, taps}).mul_(0.3)},
                      {"downsample.lowpass.filter", at::randn({1, 1, taps}).mul_(0.3)}}),
      kChannels);
}

TEST(SquaredSine, IsAccurate) {
  std::vector<float> x;
  for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) * 0.005f);
  for (int i = 1; i < 1000; ++i) x.push_back(static_cast<float>(i) * 30.0f);
  std::vector<float> y(x.size());
  squared_sine(x.data(), y.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double sine = std::sin(static_cast<double>(x[i])), want = sine * sine;
    const double size = std::abs(x[i]);
    const double allowed = size <= 1.5 ? 4e-7 * want : size <= 1000 ? 4e-7 : 1e-6;
    ASSERT_NEAR(y[i], want, allowed) << x[i];
  }
}

TEST(SquaredSine, OfNanIsNan) {
  const std::vector<float> x = {NAN, INFINITY, -INFINITY};
  std::vector<float> y(x.size());
  squared_sine(x.data(), y.data(), 3);
  for (const float value : y) EXPECT_TRUE(std::isnan(value));
}

TEST(AntiAliasedSnake, FusedLoopFollowsTheDefinition) {
  const AntiAliasedSnake snake = random_snake(kSnakeTaps);
  for (const int64_t frames : {1, 2, 3, 5, 6, 7, 12, 239, 240, 241, 243, 480, 1001}) {
    const at::Tensor x = at::randn({2, kChannels, frames}).mul_(2);
    const at::Tensor want = snake.compose(x);
    EXPECT_LT(relative_difference(snake(x), want), 1e-5) << frames;
    EXPECT_EQ(snake(x).sizes(), x.sizes());
  }
}

TEST(AntiAliasedSnake, TakesATransposedInput) {
  const AntiAliasedSnake snake = random_snake(kSnakeTaps);
  const at::Tensor x = at::randn({2, 50, kChannels}).transpose(1, 2);
  EXPECT_LT(relative_difference(snake(x), snake.compose(x)), 1e-5);
}

TEST(AntiAliasedSnake, OtherFilterLengthsUseTheDefinition) {
  const AntiAliasedSnake snake = random_snake(/*taps=*/8);
  const at::Tensor x = at::randn({1, kChannels, 33});
  EXPECT_EQ(largest_difference(snake(x), snake.compose(x)), 0.0);
}

TEST(AntiAliasedSnake, DoesNotDependOnThreads) {
  const AntiAliasedSnake snake = random_snake(kSnakeTaps);
  const at::Tensor x = at::randn({1, kChannels, 5000});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = snake(x);
  at::set_num_threads(3);
  const at::Tensor three = snake(x);
  at::set_num_threads(threads);
  EXPECT_EQ(largest_difference(one, three), 0.0);
}

TEST(AntiAliasedSnake, KeepsAConstantToItsEnds) {
  // Filters that sum to 1 pass a constant; then only x + sin^2(a x) / b remains.
  const at::Tensor filter = at::full({1, 1, kSnakeTaps}, 1.0 / kSnakeTaps);
  const AntiAliasedSnake snake(memory_weights({{"act.alpha", at::full({1}, std::log(2.0))},
                                               {"act.beta", at::full({1}, std::log(4.0))},
                                               {"upsample.filter", filter},
                                               {"downsample.lowpass.filter", filter}}),
                               1);
  const double want = 0.7 + std::pow(std::sin(1.4), 2) / 4;
  const at::Tensor y = snake(at::full({1, 1, 300}, 0.7));
  EXPECT_LT(largest_difference(y, at::full({1, 1, 300}, want)), 1e-6);
}

TEST(AntiAliasedSnake, RefusesAnotherWidth) {
  EXPECT_THROW(AntiAliasedSnake(memory_weights({{"act.alpha", at::randn({2})}}), kChannels), Error);
}

SnakeConv random_snake_conv(int64_t channels, int64_t out, int64_t kernel, int64_t dilation) {
  const AntiAliasedSnake activation(
      memory_weights({{"act.alpha", at::randn({channels})},
                      {"act.beta", at::randn({channels})},
                      {"upsample.filter", at::randn({1, 1, kSnakeTaps}).mul_(0.3)},
                      {"downsample.lowpass.filter", at::randn({1, 1, kSnakeTaps}).mul_(0.3)}}),
      channels);
  Conv1dOptions options;
  options.dilation = dilation;
  options.padding = (kernel - 1) / 2 * dilation;
  return SnakeConv(activation,
                   Conv1d(memory_weights({{"weight", at::randn({out, channels, kernel})},
                                          {"bias", at::randn({out})}}),
                          channels, out, kernel, options));
}

TEST(SnakeConv, LoopFollowsTheDefinition) {
  for (const int64_t channels : {1, 3, 8}) {
    for (const auto& [kernel, dilation] : {std::pair{1, 1}, std::pair{3, 1}, std::pair{11, 5}}) {
      const int64_t out = 11 - channels;
      const SnakeConv conv = random_snake_conv(channels, out, kernel, dilation);
      for (const int64_t frames : {1, 2, 23, 24, 25, 190, 191, 240, 241, 2500}) {
        const at::Tensor x = at::randn({2, channels, frames}), add = at::randn({2, out, frames});
        EXPECT_LT(relative_difference(conv(x), conv.compose(x)), 1e-5) << kernel << " " << frames;
        EXPECT_LT(relative_difference(conv(x, add), conv.compose(x, add)), 1e-5) << frames;
      }
    }
  }
}

TEST(SnakeConv, ReachBeyondABlockOfTheActivation) {
  const SnakeConv conv = random_snake_conv(2, 2, /*kernel=*/7, /*dilation=*/90);
  const at::Tensor x = at::randn({1, 2, 3000});
  EXPECT_LT(relative_difference(conv(x), conv.compose(x)), 1e-5);
}

TEST(SnakeConv, DoesNotDependOnThreadsOrLength) {
  const SnakeConv conv = random_snake_conv(5, 5, 7, 3);
  const at::Tensor x = at::randn({1, 5, 9000});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = conv(x);
  at::set_num_threads(3);
  const at::Tensor three = conv(x);
  at::set_num_threads(threads);
  EXPECT_EQ(largest_difference(one, three), 0.0);
  // Another length cuts time into other blocks.
  const at::Tensor part = conv(x.narrow(2, 0, 4000));
  EXPECT_EQ(largest_difference(part.narrow(2, 0, 3900), one.narrow(2, 0, 3900)), 0.0);
}

TEST(SnakeConv, ManyChannelsUseTheDefinition) {
  const SnakeConv conv = random_snake_conv(100, 100, 3, 1);
  const at::Tensor x = at::randn({1, 100, 50}), add = at::randn({1, 100, 50});
  EXPECT_EQ(largest_difference(conv(x, add), conv.compose(x, add)), 0.0);
}

}  // namespace
}  // namespace indextts2
