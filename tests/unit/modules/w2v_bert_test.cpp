// w2v-BERT: which layers are loaded, and that padding rows stay unseen.
#include "modules/w2v_bert.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

constexpr int64_t kColumns = 160, kTinyLayers = 19;

Weights tiny_weights(at::ScalarType dtype = at::kFloat) {
  WeightsOptions options;
  options.dtype = dtype;
  return Weights(open_checkpoint(std::string(INDEXTTS2_TINY_MODEL) +
                                 "/hf_cache/w2v-bert-2.0/model.safetensors"),
                 options);
}

at::Tensor features(int64_t rows) {
  std::vector<float> values(rows * kColumns);
  uint32_t state = 3;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
  }
  return host_tensor(values, {1, rows, kColumns});
}

W2vBertOptions up_to(int64_t layer) {
  W2vBertOptions options;
  options.hidden_layer = layer;
  return options;
}

TEST(W2vBert, LoadsOnlyWhatIsWanted) {
  EXPECT_EQ(W2vBert(tiny_weights()).num_layers(), 17);
  EXPECT_EQ(W2vBert(tiny_weights(), up_to(2)).num_layers(), 2);
  EXPECT_EQ(W2vBert(tiny_weights(), up_to(24)).num_layers(), kTinyLayers);
  EXPECT_THROW(W2vBert(tiny_weights(), up_to(0)), Error);
}

TEST(W2vBert, KnowsWhatItLeavesOut) {
  const Weights weights = tiny_weights();
  const W2vBert w2v(weights, up_to(2));
  EXPECT_TRUE(weights.unused(w2v.unused_names()).empty());
  EXPECT_FALSE(weights.unused({}).empty());
}

TEST(W2vBert, RefusesOtherDistances) {
  W2vBertOptions options;
  options.left_positions = 32;
  EXPECT_THROW(W2vBert(tiny_weights(), options), Error);
}

TEST(W2vBert, PaddingChangesNoOtherRow) {
  const W2vBert w2v(tiny_weights(), up_to(3));
  at::Tensor rows = features(40);
  const at::Tensor alone = w2v.forward(rows.narrow(1, 0, 39), 39);
  const at::Tensor padded = w2v.forward(rows, 39);
  EXPECT_LT(padded.narrow(1, 0, 39).sub(alone).abs().max().item<double>(), 1e-5);
  const at::Tensor seen = w2v.forward(rows, 40);
  EXPECT_GT(seen.narrow(1, 0, 39).sub(alone).abs().max().item<double>(), 1e-4);
}

TEST(W2vBert, HalfPrecisionAddsInFloat) {
  const at::Tensor rows = features(40);
  const at::Tensor exact = W2vBert(tiny_weights()).forward(rows, 40);
  const at::Tensor half = W2vBert(tiny_weights(at::kHalf)).forward(rows, 40);
  EXPECT_EQ(half.scalar_type(), at::kFloat);
  const double error = half.sub(exact).norm().item<double>() / exact.norm().item<double>();
  EXPECT_LT(error, 0.002);  // 0.0016; with sums in half precision 0.0026
}

}  // namespace
}  // namespace indextts2
