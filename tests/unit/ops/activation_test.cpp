// Activations, attention, masks and linear layers on few rows, against plain loops in double
// precision.
#include "ops/activation.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>

#include "ops/attention.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"
#include "ops/mask.h"
#include "ops/onednn_linear.h"
#include "ops/row_linear.h"
#include "ops/serial_scope.h"

namespace indextts2 {
namespace {

double at_index(const at::Tensor& x, int64_t i) {
  return x.reshape({-1}).select(0, i).item<double>();
}

double phi(double x) { return 0.5 * (1.0 + std::erf(x / std::sqrt(2.0))); }
double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double tanh_gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

// Distinct values in [-1, 1) from a small generator.
at::Tensor noise(const std::vector<int64_t>& shape, uint32_t seed = 1) {
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  std::vector<float> values(count);
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) / (1 << 23) - 1.0f;
  }
  return float_tensor(values).view(shape);
}

TEST(Activation, MatchesItsFormula) {
  const std::vector<float> values = {-30.0f, -3.0f, -1.0f, -0.1f, 0.0f, 0.1f, 0.7f, 2.5f, 12.0f};
  const at::Tensor x = float_tensor(values);
  const auto check = [&](const at::Tensor& got, const std::function<double(double)>& want) {
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(at_index(got, i), want(values[i]), 1e-5) << values[i];
    }
  };
  check(relu(x), [](double v) { return v > 0 ? v : 0; });
  check(sigmoid(x), logistic);
  check(tanh(x), [](double v) { return std::tanh(v); });
  check(silu(x), [](double v) { return v * logistic(v); });
  check(mish(x), [](double v) { return v * std::tanh(std::log1p(std::exp(v))); });
  check(gelu(x), [](double v) { return v * phi(v); });
  check(gelu_tanh(x), tanh_gelu);
  at::Tensor y = x.clone();
  silu_(y);
  check(y, [](double v) { return v * logistic(v); });
  y = x.clone();
  gelu_tanh_(y);
  check(y, tanh_gelu);
}

TEST(Activation, GatesTakeTheRightHalf) {
  const at::Tensor x = float_tensor({1.0f, 2.0f, 3.0f, -1.0f}).view({1, 4});
  EXPECT_NEAR(at_index(glu(x, 1), 0), 1.0 * logistic(3.0), 1e-6);
  EXPECT_NEAR(at_index(glu(x, 1), 1), 2.0 * logistic(-1.0), 1e-6);
  EXPECT_NEAR(at_index(geglu(x), 0), 1.0 * 3.0 * phi(3.0), 1e-6);
  EXPECT_NEAR(at_index(geglu(x), 1), 2.0 * -1.0 * phi(-1.0), 1e-6);
}

TEST(Activation, SoftmaxAndItsLogarithmAgree) {
  const at::Tensor x = float_tensor({1.0f, 2.0f, 100.0f, 101.0f}).view({2, 2});
  const at::Tensor p = softmax(x), log_p = log_softmax(x);
  EXPECT_NEAR(at_index(p, 0), logistic(-1.0), 1e-6);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(std::log(at_index(p, i)), at_index(log_p, i), 1e-5);
  EXPECT_NEAR(at_index(softmax(x, 0), 0), std::exp(-99.0), 1e-6);
}

TEST(Attention, HeadsSplitAndMergeBack) {
  const at::Tensor x = noise({2, 5, 12});
  EXPECT_EQ(split_heads(x, 3).sizes(), at::IntArrayRef({2, 3, 5, 4}));
  EXPECT_TRUE(merge_heads(split_heads(x, 3)).equal(x));
}

// softmax(q k / sqrt(D) + mask) v of one head, one query.
std::vector<double> attend_plainly(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const std::vector<bool>& seen) {
  const int64_t keys = k.size(0), size = k.size(1);
  std::vector<double> weight(keys), out(size);
  double sum = 0;
  for (int64_t i = 0; i < keys; ++i) {
    double dot = 0;
    for (int64_t d = 0; d < size; ++d) dot += at_index(q, d) * at_index(k, i * size + d);
    weight[i] = seen[i] ? std::exp(dot / std::sqrt(static_cast<double>(size))) : 0.0;
    sum += weight[i];
  }
  for (int64_t i = 0; i < keys; ++i) {
    for (int64_t d = 0; d < size; ++d) out[d] += weight[i] / sum * at_index(v, i * size + d);
  }
  return out;
}

TEST(Attention, MaskedAndCausalMatchAPlainLoop) {
  constexpr int64_t kKeys = 6, kSize = 8;
  const at::Tensor q = noise({1, 2, kKeys, kSize}, 1), k = noise({1, 2, kKeys, kSize}, 2),
                   v = noise({1, 2, kKeys, kSize}, 3);
  const std::vector<bool> odd = {false, true, false, true, false, true};
  const at::Tensor mask =
      additive_mask(int64_tensor({0, 1, 0, 1, 0, 1}).view({1, kKeys}), at::kFloat);
  const at::Tensor masked = attend(q, k, v, mask), causal = attend_causal(q, k, v);
  for (int64_t head = 0; head < 2; ++head) {
    const at::Tensor hk = k.select(1, head).squeeze(0), hv = v.select(1, head).squeeze(0);
    for (int64_t i = 0; i < kKeys; ++i) {
      const at::Tensor hq = q.select(1, head).select(1, i);
      std::vector<bool> past(kKeys);
      for (int64_t j = 0; j <= i; ++j) past[j] = true;
      const auto want_masked = attend_plainly(hq, hk, hv, odd);
      const auto want_causal = attend_plainly(hq, hk, hv, past);
      for (int64_t d = 0; d < kSize; ++d) {
        EXPECT_NEAR(at_index(masked.select(1, head).select(1, i), d), want_masked[d], 1e-5);
        EXPECT_NEAR(at_index(causal.select(1, head).select(1, i), d), want_causal[d], 1e-5);
      }
    }
  }
}

TEST(Attention, AGatheredMaskPicksColumnsAndHasAlignedRows) {
  const at::Tensor scores = noise({1, 2, 3, 4}, 1);  // 3 queries, 4 columns
  const at::Tensor index = int64_tensor({0, 1, 2, 3, 3, 1, 1, 1, 0, 0, 3, 2, 1, 0, 2}).view({3, 5});
  const at::Tensor mask = gather_mask(scores, index);
  EXPECT_EQ(mask.sizes(), (std::vector<int64_t>{1, 2, 3, 5}));
  EXPECT_EQ(mask.strides(), (std::vector<int64_t>{48, 24, 8, 1}));
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t i = 0; i < 15; ++i) {
      const at::Tensor row = scores.select(1, head).select(1, i / 5);
      EXPECT_EQ(at_index(mask.select(1, head), i),
                at_index(row, static_cast<int64_t>(at_index(index, i))));
    }
  }
}

TEST(Mask, HidesWithTheLowestFiniteValue) {
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor mask = additive_mask(int64_tensor({1, 0, 5}), dtype);
    EXPECT_EQ(mask.scalar_type(), dtype);
    EXPECT_EQ(at_index(mask, 0), 0.0);
    EXPECT_LT(at_index(mask, 1), -60000.0);
    EXPECT_TRUE(std::isfinite(at_index(mask, 1)));
    EXPECT_EQ(at_index(mask, 2), 0.0);
  }
}

TEST(Mask, MakesAndJoinsRows) {
  EXPECT_TRUE(index_range(3, 4).equal(int64_tensor({3, 4, 5, 6})));
  EXPECT_EQ(index_range(3, 0).numel(), 0);
  const at::Tensor joined = concat({noise({1, 2, 3}), noise({1, 4, 3}, 9)}, 1);
  EXPECT_EQ(joined.sizes(), at::IntArrayRef({1, 6, 3}));
  EXPECT_TRUE(joined.narrow(1, 2, 4).equal(noise({1, 4, 3}, 9)));
}

TEST(RowLinear, GivesWhatTheLayerGives) {
  const Linear layer(noise({40, 24}, 5), noise({40}, 6));
  for (const int64_t rows : {1, 2, 3, 9, 10, 19, 28, 64}) {
    const at::Tensor x = noise({rows, 24}, 7);
    const at::Tensor want = layer(x), got = linear_rows(layer, x);
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_LT(got.sub(want).abs().max().item<float>(), 1e-5f) << rows;
    EXPECT_LT(linear_rows_gelu_tanh(layer, x).sub(gelu_tanh(want)).abs().max().item<float>(), 1e-5f)
        << rows;
  }
}

TEST(RowLinear, OneRowOfAnySize) {
  for (const int64_t in : {1, 7, 15, 16, 17, 40, 333, 1280}) {
    for (const int64_t out : {1, 2, 3, 4, 5, 66, 1300}) {
      const at::Tensor weight = noise({out, in}, 5), bias = noise({out}, 6), x = noise({1, in}, 7);
      for (const at::Tensor& offset : {bias, at::Tensor()}) {
        const at::Tensor want = at::linear(x, weight, offset);
        const at::Tensor got = linear_rows(Linear(weight, offset), x);
        ASSERT_EQ(got.sizes(), want.sizes());
        EXPECT_LT(got.sub(want).abs().max().item<float>(), 1e-4f) << in << " " << out;
        // A row does not depend on those beside it, nor on how many threads share them.
        const at::Tensor last =
            linear_rows(Linear(weight.narrow(0, out - 1, 1).contiguous(),
                               offset.defined() ? offset.narrow(0, out - 1, 1) : offset),
                        x);
        EXPECT_EQ(got[0][out - 1].item<float>(), last[0][0].item<float>()) << in << " " << out;
      }
    }
  }
}

TEST(RowLinear, TakesOtherTypes) {
  const Linear layer(noise({8, 4}, 5).to(at::kBFloat16), noise({8}, 6).to(at::kBFloat16));
  EXPECT_EQ(linear_rows(layer, noise({3, 4}).to(at::kBFloat16)).scalar_type(), at::kBFloat16);
}

TEST(SerialScope, RestoresTheThreadCount) {
  const Linear layer(noise({300, 200}, 5), noise({300}, 6));
  const at::Tensor x = noise({64, 200}), want = layer(x);
  const int before = at::get_num_threads();
  {
    const SerialScope serial(true);
    EXPECT_EQ(at::get_num_threads(), 1);
    {
      const SerialScope off(false);
      EXPECT_EQ(at::get_num_threads(), 1);
    }
    EXPECT_LT(layer(x).sub(want).abs().max().item<float>(), 1e-4f);
  }
  EXPECT_EQ(at::get_num_threads(), before);
}

TEST(OnednnLinear, IsTheLinearLayer) {
  const at::Tensor weight = noise({48, 40}), bias = noise({48});
  for (const at::Tensor& x :
       {noise({2, 40}), noise({300, 40}), noise({2, 7, 40}), noise({40, 5}).t(),
        noise({9, 50}).narrow(1, 3, 40), noise({3, 4, 5, 40}).transpose(0, 2)}) {
    for (const at::Tensor& offset : {bias, at::Tensor()}) {
      const at::Tensor want = at::linear(x, weight, offset);
      const at::Tensor got = try_onednn_linear(x, weight, offset);
      if (!got.defined()) {
        std::puts("left out: this CPU or LibTorch has no oneDNN to use");
        return;
      }
      ASSERT_EQ(got.sizes(), want.sizes());
      EXPECT_LT(got.sub(want).abs().max().item<float>(), 2e-5f);
      EXPECT_EQ(Linear(weight, offset)(x).sub(got).abs().max().item<float>(), 0.0f);
    }
  }
}

TEST(OnednnLinear, LeavesOthersAlone) {
  const at::Tensor weight = noise({6, 4});
  EXPECT_FALSE(try_onednn_linear(noise({1, 4}), weight, {}).defined());
  EXPECT_FALSE(try_onednn_linear(noise({0, 4}), weight, {}).defined());
  EXPECT_FALSE(
      try_onednn_linear(noise({3, 4}).to(at::kDouble), weight.to(at::kDouble), {}).defined());
  EXPECT_EQ(Linear(weight, {})(noise({0, 4})).size(1), 6);
}

}  // namespace
}  // namespace indextts2
