// The Qwen3 language model on random weights, against its definition in double precision.
#include "modules/qwen3.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <set>

#include "modules/qwen3_definition.h"
#include "support/memory_checkpoint.h"
#include "support/near.h"
#include "support/random_gpt.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

// Heads are wider than hidden_size / heads, and three of them share their keys.
QwenConfig small_config() {
  QwenConfig config;
  config.vocab_size = 61;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 10;
  config.rms_norm_eps = 1e-6;
  config.rope_theta = 1e4;
  config.eos_token_id = {60};
  return config;
}

Tensors random_tensors(const QwenConfig& config) {
  uint64_t state = 7;
  Tensors tensors;
  const auto matrix = [&](const std::string& name, int64_t out, int64_t in) {
    const float spread = std::sqrt(3.0f / static_cast<float>(in));
    tensors[name + ".weight"] = random_weights({out, in}, 0, spread, at::kFloat, &state);
  };
  const auto norm = [&](const std::string& name, int64_t size) {
    tensors[name + ".weight"] = random_weights({size}, 1, 0.5f, at::kFloat, &state);
  };
  const int64_t width = config.hidden_size, size = config.head_dim;
  matrix("model.embed_tokens", config.vocab_size, width);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    norm(layer + "input_layernorm", width);
    norm(layer + "post_attention_layernorm", width);
    matrix(layer + "self_attn.q_proj", config.num_attention_heads * size, width);
    matrix(layer + "self_attn.k_proj", config.num_key_value_heads * size, width);
    matrix(layer + "self_attn.v_proj", config.num_key_value_heads * size, width);
    matrix(layer + "self_attn.o_proj", width, config.num_attention_heads * size);
    norm(layer + "self_attn.q_norm", size);
    norm(layer + "self_attn.k_norm", size);
    matrix(layer + "mlp.gate_proj", config.intermediate_size, width);
    matrix(layer + "mlp.up_proj", config.intermediate_size, width);
    matrix(layer + "mlp.down_proj", width, config.intermediate_size);
  }
  norm("model.norm", width);
  if (!config.tie_word_embeddings) matrix("lm_head", config.vocab_size, width);
  return tensors;
}

Qwen3 load(const QwenConfig& config, const Tensors& tensors, WeightsOptions options = {}) {
  return Qwen3(memory_weights(tensors, std::move(options)), config);
}

at::Tensor as_tensor(const std::vector<Row>& rows) {
  std::vector<double> all;
  for (const Row& row : rows) all.insert(all.end(), row.begin(), row.end());
  const auto count = static_cast<int64_t>(rows.size());
  return host_tensor(all, {count, static_cast<int64_t>(all.size()) / count});
}

at::Tensor whole(const Qwen3& model, const std::vector<int32_t>& ids) {
  KvCache cache = model.start_cache(0);
  return model.logits(model.forward(ids, cache));
}

// Ids that differ from their neighbours and come again later.
std::vector<int32_t> some_ids(int32_t count) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < count; ++i) ids.push_back((i * i * 7 + 3 * i) % 59);
  return ids;
}

TEST(Qwen3, FollowsTheDefinition) {
  const QwenConfig config = small_config();
  const Tensors tensors = random_tensors(config);
  const Qwen3 model = load(config, tensors);
  const Qwen3Definition definition(config, tensors);
  for (const int32_t count : {1, 2, 33}) {
    const at::Tensor got = whole(model, some_ids(count));
    EXPECT_EQ(got.sizes(), at::IntArrayRef({count, 61}));
    EXPECT_LT(relative_difference(got, as_tensor(definition.logits(some_ids(count)))), 1e-5)
        << count;
  }
}

TEST(Qwen3, FollowsTheDefinitionWithoutSharedKeys) {
  QwenConfig config = small_config();
  config.num_key_value_heads = 6;
  const Tensors tensors = random_tensors(config);
  const at::Tensor want = as_tensor(Qwen3Definition(config, tensors).logits(some_ids(9)));
  EXPECT_LT(relative_difference(whole(load(config, tensors), some_ids(9)), want), 1e-5);
}

TEST(Qwen3, TheHeadMayBeTheEmbedding) {
  QwenConfig config = small_config();
  config.tie_word_embeddings = true;
  const Tensors tensors = random_tensors(config);
  EXPECT_EQ(tensors.count("lm_head.weight"), 0u);
  const at::Tensor want = as_tensor(Qwen3Definition(config, tensors).logits(some_ids(9)));
  EXPECT_LT(relative_difference(whole(load(config, tensors), some_ids(9)), want), 1e-5);
}

TEST(Qwen3, StepsWithACacheGiveWhatTheWholeGives) {
  const QwenConfig config = small_config();
  const Tensors tensors = random_tensors(config);
  const Qwen3 model = load(config, tensors);
  const std::vector<int32_t> ids = some_ids(50);
  const at::Tensor want = as_tensor(Qwen3Definition(config, tensors).logits(ids));
  for (const int64_t prompt : {1, 2, 20}) {
    KvCache cache = model.start_cache(prompt + 3);  // it grows on the way
    at::Tensor got = model.forward({ids.begin(), ids.begin() + prompt}, cache);
    EXPECT_LT(relative_difference(model.logits(got), want.narrow(0, 0, prompt)), 1e-5);
    for (int64_t t = prompt; t < 50; ++t) {
      got = model.forward({ids[static_cast<size_t>(t)]}, cache);
      ASSERT_EQ(cache.size(), t + 1);
      ASSERT_LT(relative_difference(model.logits(got), want.narrow(0, t, 1)), 1e-5) << t;
    }
  }
}

// docs/models.md says how much memory a text takes; of the official sizes.
TEST(Qwen3, TakesTheMemoryOfTheDocsForAToken) {
  for (const auto& [dtype, kib] : {std::pair{at::kHalf, 112}, std::pair{at::kFloat, 224}}) {
    KvCache cache({/*layers=*/28, /*heads=*/8, /*head_size=*/128},
                  at::empty({1}, at::TensorOptions(dtype)));
    cache.start(/*rows=*/1, /*keys=*/16);
    cache.extend_prefix(16);
    EXPECT_EQ(static_cast<int64_t>(cache.storage().storage().nbytes()), 16 * kib * 1024);
  }
}

TEST(Qwen3, RunsInTheTypeOfItsWeights) {
  const QwenConfig config = small_config();
  const Tensors tensors = random_tensors(config);
  WeightsOptions options;
  options.dtype = at::kBFloat16;
  const Qwen3 model = load(config, tensors, options);
  KvCache cache = model.start_cache(8);
  const at::Tensor rows = model.forward(some_ids(8), cache);
  EXPECT_EQ(rows.scalar_type(), at::kBFloat16);
  EXPECT_EQ(cache.keys(0).scalar_type(), at::kBFloat16);
  EXPECT_EQ(model.logits(rows).scalar_type(), at::kFloat);
  const at::Tensor want = as_tensor(Qwen3Definition(config, tensors).logits(some_ids(8)));
  EXPECT_LT(relative_difference(model.logits(rows), want), 0.06);
}

// Greedy tokens of the definition, and how much better each is than the next best one at least.
std::vector<int32_t> greedy(const Qwen3Definition& definition, std::vector<int32_t> ids, int count,
                            double* margin) {
  std::vector<int32_t> out;
  *margin = std::numeric_limits<double>::infinity();
  for (int i = 0; i < count; ++i) {
    Row last = definition.logits(ids).back();
    const auto best = std::max_element(last.begin(), last.end());
    const double score = *best;
    out.push_back(static_cast<int32_t>(best - last.begin()));
    *best = -std::numeric_limits<double>::infinity();
    *margin = std::min(*margin, score - *std::max_element(last.begin(), last.end()));
    ids.push_back(out.back());
  }
  return out;
}

class Qwen3Generation : public testing::Test {
 protected:
  Qwen3Generation() { config_.eos_token_id = {}; }
  void SetUp() override {
    double margin = 0;
    want_ = greedy(Qwen3Definition(config_, tensors_), prompt_, 24, &margin);
    ASSERT_GT(margin, 1e-4);  // else rounding decides: take another seed
  }
  Qwen3 model() const { return load(config_, tensors_); }

  QwenConfig config_ = small_config();
  const Tensors tensors_ = random_tensors(config_);
  const std::vector<int32_t> prompt_ = some_ids(11);
  std::vector<int32_t> want_;
};

TEST_F(Qwen3Generation, TakesTheBestTokensUpToTheLimit) {
  const Qwen3::Answer answer = model().generate(prompt_, 24);
  EXPECT_EQ(answer.ids, want_);
  EXPECT_FALSE(answer.ended);
  const Qwen3::Answer one = model().generate(prompt_, 1);
  EXPECT_EQ(one.ids, std::vector<int32_t>(want_.begin(), want_.begin() + 1));
  EXPECT_FALSE(one.ended);
  EXPECT_TRUE(model().generate(prompt_, 0).ids.empty());
}

TEST_F(Qwen3Generation, EndsAtAnyOfItsEndTokens) {
  size_t end = 0;  // the last token that had not come before
  for (size_t i = 1; i < want_.size(); ++i) {
    if (std::find(want_.begin(), want_.begin() + i, want_[i]) == want_.begin() + i) end = i;
  }
  ASSERT_GT(end, 0u);
  int32_t never = 0;
  while (std::find(want_.begin(), want_.end(), never) != want_.end()) ++never;
  config_.eos_token_id = {never, want_[end]};
  const auto expected = std::vector<int32_t>(want_.begin(), want_.begin() + end);
  const Qwen3::Answer answer = model().generate(prompt_, 24);
  EXPECT_EQ(answer.ids, expected);
  EXPECT_TRUE(answer.ended);
  // At the limit it is not known yet that the end would follow.
  const Qwen3::Answer cut = model().generate(prompt_, static_cast<int64_t>(end));
  EXPECT_EQ(cut.ids, expected);
  EXPECT_FALSE(cut.ended);
}

// Before each layer: a pass over a long prompt takes seconds.
TEST_F(Qwen3Generation, StopsBetweenLayers) {
  const int layers = static_cast<int>(model().layers().size());
  auto tests = std::make_shared<std::atomic<int>>(0);
  const StopToken stop([tests, most = 5 * layers] { return ++*tests > most; });
  EXPECT_TRUE(throws_error([&] { model().generate(prompt_, 24, stop); }, ErrorCode::kCancelled,
                           {"cancelled"}));
  EXPECT_EQ(*tests, 5 * layers + 1);
  *tests = 0;
  EXPECT_EQ(model().generate(prompt_, 5, stop).ids.size(), 5u);
}

TEST_F(Qwen3Generation, RefusesWhatItCannotRead) {
  const Qwen3 model = load(config_, tensors_);
  EXPECT_TRUE(throws_error([&] { model.generate({}, 5); }, ErrorCode::kInternal, {"positions"}));
  EXPECT_TRUE(throws_error(
      [&] {
        model.generate({3, 61}, 5);
      },
      ErrorCode::kModel, {"token id 61", "which has 61"}));
  EXPECT_TRUE(throws_error([&] { model.generate({-1}, 5); }, ErrorCode::kModel, {"token id -1"}));
  KvCache cache = model.start_cache(4);
  model.forward({1, 2}, cache);
  EXPECT_TRUE(throws_error(
      [&] {
        model.forward({3, 4}, cache);
      },
      ErrorCode::kInternal, {"2 positions after 2"}));
}

TEST_F(Qwen3Generation, RefusesScoresThatAreNoNumbers) {
  Tensors broken = tensors_;
  at::Tensor norm = broken.at("model.norm.weight").clone();
  norm.fill_(std::numeric_limits<float>::infinity());  // inf * 0 and inf - inf further on
  broken["model.norm.weight"] = norm;
  EXPECT_TRUE(throws_error([&] { load(config_, broken).generate(prompt_, 5); },
                           ErrorCode::kSynthesis, {"not a number or infinite"}));
}

// Every tensor is asked for by name and shape.
TEST(Qwen3, RefusesMissingAndMisshapenTensors) {
  const QwenConfig config = small_config();
  const Tensors tensors = random_tensors(config);
  EXPECT_EQ(tensors.size(), 3u + 3 * 11);
  for (const auto& [name, tensor] : tensors) {
    Tensors changed = tensors;
    changed.erase(name);
    EXPECT_TRUE(throws_error([&] { load(config, changed); }, ErrorCode::kModel, {name, "missing"}));
    std::vector<int64_t> shape = tensor.sizes().vec();
    ++shape.back();
    changed[name] = tensor.new_zeros(shape);
    EXPECT_TRUE(throws_error([&] { load(config, changed); }, ErrorCode::kModel,
                             {name, "expected [", "got"}));
    --shape.back();
    ++shape.front();
    changed[name] = tensor.new_zeros(shape);
    EXPECT_TRUE(throws_error([&] { load(config, changed); }, ErrorCode::kModel,
                             {name, "expected [", "got"}));
  }
}

TEST(Qwen3, TakesEveryTensor) {
  const QwenConfig config = small_config();
  const Weights weights = memory_weights(random_tensors(config));
  const Qwen3 model(weights, config);
  EXPECT_TRUE(weights.unused({}).empty());
}

TEST(Qwen3, RefusesAnotherNumberOfLayers) {
  QwenConfig config = small_config();
  const Tensors tensors = random_tensors(config);
  config.num_hidden_layers = 2;
  EXPECT_TRUE(throws_error([&] { load(config, tensors); }, ErrorCode::kModel,
                           {"model.layers", "expected the 2 layers", "got 3 in memory"}));
  config.num_hidden_layers = 4;
  EXPECT_TRUE(throws_error([&] { load(config, tensors); }, ErrorCode::kModel,
                           {"model.layers.3", "missing"}));
}

}  // namespace
}  // namespace indextts2
