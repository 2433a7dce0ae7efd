// Norms against their formulas, and a convolution as a product.
#include "ops/norm.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "ops/layers.h"
#include "support/memory_checkpoint.h"
#include "support/near.h"

namespace indextts2 {
namespace {

TEST(AdaptiveRmsNorm, FollowsTheFormula) {
  const at::Tensor x = at::randn({2, 5, 8}), scale = at::randn({8}), shift = at::randn({8});
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor want =
      wide.div(wide.mul(wide).mean(-1, true).add(0.1).sqrt()).mul(scale).add(shift);
  EXPECT_LT(largest_difference(adaptive_rms_norm(x, scale, shift, 0.1), want), 1e-5);
}

TEST(RmsNorm, FollowsTheFormula) {
  const at::Tensor x = at::randn({2, 5, 8}), scale = at::randn({8});
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor want = wide.div(wide.mul(wide).mean(-1, true).add(0.1).sqrt()).mul(scale);
  EXPECT_LT(largest_difference(rms_norm(x, scale, 0.1), want), 1e-5);
}

TEST(AdaptiveLayerNorm, FollowsTheFormula) {
  const at::Tensor x = at::randn({2, 5, 8}), scale = at::randn({8}), shift = at::randn({8});
  const at::Tensor wide = x.to(at::kDouble).sub(x.to(at::kDouble).mean(-1, true));
  const at::Tensor want =
      wide.div(wide.mul(wide).mean(-1, true).add(0.1).sqrt()).mul(scale).add(shift);
  EXPECT_LT(largest_difference(adaptive_layer_norm(x, scale, shift, 0.1), want), 1e-5);
}

TEST(Conv1d, AsAProductIsTheSame) {
  struct Case {
    int64_t kernel, padding, dilation, stride;
  };
  for (const Case& c :
       {Case{1, 0, 1, 1}, Case{3, 1, 1, 1}, Case{5, 3, 2, 1}, Case{2, 0, 3, 1}, Case{5, 2, 1, 2}}) {
    Conv1dOptions options;
    options.padding = c.padding;
    options.dilation = c.dilation;
    options.stride = c.stride;
    const Conv1d conv(
        memory_weights({{"weight", at::randn({6, 4, c.kernel})}, {"bias", at::randn({6})}}), 4, 6,
        c.kernel, options);
    for (const int64_t frames : {c.dilation * (c.kernel - 1) + 1, int64_t{40}, int64_t{41}}) {
      const at::Tensor x = at::randn({2, frames, 4}).transpose(1, 2);
      ASSERT_EQ(conv.as_product(x).sizes(), conv(x).sizes());
      EXPECT_LT(largest_difference(conv.as_product(x), conv(x)), 1e-5) << c.kernel << " " << frames;
    }
  }
}

TEST(Conv2d, AsProductsIsTheSame) {
  for (const Bias bias : {Bias::kYes, Bias::kNo}) {
    Conv2dOptions options;
    options.stride = {2, 1};
    options.padding = {1, 1};
    options.bias = bias;
    const Conv2d conv(
        memory_weights({{"weight", at::randn({5, 3, 3, 3})}, {"bias", at::randn({5})}}), 3, 5, 3, 3,
        options);
    for (const int64_t height : {1, 8, 9}) {
      const at::Tensor x = at::randn({2, 3, height, 11});
      for (const int64_t most : {1, 2 * 27 * 11 * 2, 1 << 20}) {
        ASSERT_EQ(conv.as_product(x, most).sizes(), conv(x).sizes());
        EXPECT_LT(largest_difference(conv.as_product(x, most), conv(x)), 1e-5) << height << most;
      }
    }
  }
}

TEST(AdaptiveRmsNorm, KeepsHalfPrecision) {
  // 300^2 does not fit in a half: the square must be taken in float32.
  const at::Tensor x = at::randn({4, 8}).mul(300).to(at::kHalf);
  const at::Tensor one = at::randn({8}).to(at::kHalf);
  const at::Tensor y = adaptive_rms_norm(x, one, one, 1e-5);
  EXPECT_EQ(y.scalar_type(), at::kHalf);
  EXPECT_TRUE(y.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace indextts2
