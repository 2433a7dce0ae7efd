// WaveNet: how far an output frame looks.
#include "modules/wavenet.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "support/memory_checkpoint.h"
#include "support/near.h"

namespace indextts2 {
namespace {

constexpr int64_t kChannels = 4;

std::map<std::string, at::Tensor> random_wavenet(int64_t layers, int64_t kernel) {
  std::map<std::string, at::Tensor> tensors;
  const auto add = [&](const std::string& name, int64_t out, int64_t width) {
    tensors[name + ".conv.conv.weight"] = at::randn({out, kChannels, width});
    tensors[name + ".conv.conv.bias"] = at::randn({out});
  };
  add("cond_layer", 2 * kChannels * layers, 1);
  for (int64_t i = 0; i < layers; ++i) {
    add("in_layers." + std::to_string(i), 2 * kChannels, kernel);
    add("res_skip_layers." + std::to_string(i), i + 1 < layers ? 2 * kChannels : kChannels, 1);
  }
  return tensors;
}

TEST(WaveNet, HaloIsTheReachOfAllLayers) {
  const WaveNet net(memory_weights(random_wavenet(3, 5)), /*dilation_rate=*/2);
  ASSERT_EQ(net.halo(), 2 * (1 + 2 + 4));
  EXPECT_EQ(net.min_frames(), 9);
  const at::Tensor biases = net.time_biases(at::randn({1, kChannels})).select(0, 0);
  const at::Tensor x = at::randn({1, 60, kChannels});
  const at::Tensor want = net(x, biases);
  at::Tensor changed = x.clone();
  changed.narrow(1, 30, 1).add_(1);
  const at::Tensor difference = net(changed, biases).sub(want).abs().amax({0, 2});
  EXPECT_EQ(difference.narrow(0, 0, 30 - net.halo()).max().item<float>(), 0.0f);
  EXPECT_GT(difference[30 - net.halo()].item<float>(), 0.0f);
  EXPECT_GT(difference[30 + net.halo()].item<float>(), 0.0f);
}

TEST(WaveNet, RunsOnItsShortestInput) {
  const WaveNet net(memory_weights(random_wavenet(2, 5)), /*dilation_rate=*/1);
  const at::Tensor biases = net.time_biases(at::randn({1, kChannels})).select(0, 0);
  const at::Tensor y = net(at::randn({2, net.min_frames(), kChannels}), biases);
  EXPECT_EQ(y.sizes(), at::IntArrayRef({2, net.min_frames(), kChannels}));
}

TEST(WaveNet, LastLayerHasOnlySkip) {
  auto tensors = random_wavenet(2, 3);
  tensors["res_skip_layers.1.conv.conv.weight"] = at::randn({2 * kChannels, kChannels, 1});
  tensors["res_skip_layers.1.conv.conv.bias"] = at::randn({2 * kChannels});
  EXPECT_THROW(WaveNet(memory_weights(tensors), 1), Error);
}

TEST(WaveNet, RefusesEvenKernels) {
  EXPECT_THROW(WaveNet(memory_weights(random_wavenet(2, 4)), 1), Error);
}

}  // namespace
}  // namespace indextts2
