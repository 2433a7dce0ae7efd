// Selecting frames: nearest resizing and unfolding with reflected ends.
#include "ops/frames.h"

#include <ATen/ops/conv1d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/reflection_pad1d.h>
#include <ATen/ops/upsample_nearest1d.h>
#include <gtest/gtest.h>

#include "support/near.h"

namespace indextts2 {
namespace {

TEST(NearestFrames, RepeatsAndSkips) {
  EXPECT_EQ(nearest_frames(2, 5), (std::vector<int64_t>{0, 0, 0, 1, 1}));
  EXPECT_EQ(nearest_frames(5, 2), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(nearest_frames(1, 3), (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(nearest_frames(3, 3), (std::vector<int64_t>{0, 1, 2}));
}

TEST(ResizeNearest, AgreesWithLibTorchAtManyLengths) {
  for (const int64_t in : {1, 7, 61, 99, 250, 749}) {
    const at::Tensor x = at::randn({1, in, 2});
    for (int64_t out = 1; out < 900; out += 37) {
      const at::Tensor want = at::upsample_nearest1d(x.transpose(1, 2), {out}).transpose(1, 2);
      ASSERT_EQ(largest_difference(resize_nearest(x, out), want), 0.0) << in << " -> " << out;
    }
  }
}

TEST(UnfoldReflected, MakesAConvolutionAMatrixProduct) {
  for (const int64_t kernel : {1, 3, 5}) {
    for (const int64_t dilation : {1, 2}) {
      const int64_t reach = (kernel - 1) / 2 * dilation;
      for (const int64_t frames : {reach + 1, reach + 2, int64_t{20}}) {
        const at::Tensor x = at::randn({2, frames, 4}), weight = at::randn({6, 4, kernel});
        const at::Tensor wide = reach > 0 ? at::reflection_pad1d(x.transpose(1, 2), {reach, reach})
                                          : x.transpose(1, 2).contiguous();
        const at::Tensor want = at::conv1d(wide, weight, std::nullopt, at::IntArrayRef{1},
                                           at::IntArrayRef{0}, at::IntArrayRef{dilation}, 1);
        const at::Tensor got = at::linear(unfold_reflected(x, kernel, dilation),
                                          weight.permute({0, 2, 1}).reshape({6, -1}));
        EXPECT_LT(largest_difference(got, want.transpose(1, 2)), 1e-5) << kernel << " " << frames;
      }
    }
  }
}

}  // namespace
}  // namespace indextts2
