// Norms against their formulas.
#include "ops/norm.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

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
