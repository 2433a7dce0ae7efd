// Length regulator and the two networks that feed it, on the tiny model.
#include "modules/length_regulator.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "modules/code_embedding.h"
#include "modules/gpt_layer.h"
#include "ops/host_tensor.h"
#include "support/memory_checkpoint.h"
#include "support/near.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

TEST(LengthRegulator, TakesSizesFromTheFileAndAllItsWeights) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  const Weights weights = Weights(open_checkpoint(files.s2mel), {}).scope("net.length_regulator");
  const LengthRegulator regulator(weights);
  EXPECT_EQ(regulator.in_channels(), 40);
  EXPECT_EQ(regulator.channels(), 56);
  EXPECT_EQ(weights.unused(LengthRegulator::unused_weights()), std::vector<std::string>());
  EXPECT_EQ(regulator(at::randn({2, 7, 40}), 12).sizes(), at::IntArrayRef({2, 12, 56}));
}

TEST(GptLayer, IsALinearMap) {
  const GptLayer layer(memory_weights({{"0.weight", at::randn({3, 5})},
                                       {"0.bias", at::randn({3})},
                                       {"1.weight", at::randn({4, 3})},
                                       {"1.bias", at::randn({4})}}));
  EXPECT_EQ(layer.in_features(), 5);
  EXPECT_EQ(layer.out_features(), 4);
  const at::Tensor a = at::randn({1, 2, 5}), b = at::randn({1, 2, 5});
  const at::Tensor middle = layer(a.add(b).div(2));
  EXPECT_LT(largest_difference(middle, layer(a).add(layer(b)).div(2)), 1e-5);
}

TEST(GptLayer, RefusesMissingAndUnfittingLayers) {
  EXPECT_THROW(GptLayer(memory_weights({})), Error);
  EXPECT_THROW(GptLayer(memory_weights({{"0.weight", at::randn({3, 5})},
                                        {"0.bias", at::randn({3})},
                                        {"1.weight", at::randn({4, 2})},
                                        {"1.bias", at::randn({4})}})),
               Error);
}

TEST(CodeEmbedding, ProjectsTheRowOfEachCode) {
  const at::Tensor rows = at::randn({6, 2}), weight = at::randn({5, 2, 1}), bias = at::randn({5});
  const CodeEmbedding embedding(
      memory_weights({{"quantizer.quantizers.0.codebook.weight", rows},
                      {"quantizer.quantizers.0.out_project.weight", weight},
                      {"quantizer.quantizers.0.out_project.bias", bias}}));
  EXPECT_EQ(embedding.num_codes(), 6);
  const at::Tensor got = embedding(int64_tensor({5, 0, 5}).unsqueeze(0));
  ASSERT_EQ(got.sizes(), at::IntArrayRef({1, 3, 5}));
  const at::Tensor want = weight.squeeze(2).matmul(rows[5]).add(bias);
  EXPECT_LT(largest_difference(got[0][0], want), 1e-6);
  EXPECT_EQ(largest_difference(got[0][0], got[0][2]), 0.0);
}

}  // namespace
}  // namespace indextts2
