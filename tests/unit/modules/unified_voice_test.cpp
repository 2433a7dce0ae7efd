// Decoding step by step with a cache shared by all beams, against whole passes without one.
#include "modules/unified_voice.h"

#include <gtest/gtest.h>

#include <memory>

#include "core/error.h"
#include "core/random.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"
#include "weights/config.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

constexpr RandomStream kStream{11, 0, RandomPurpose::kFlowNoise};

at::Tensor noise(const std::vector<int64_t>& shape, uint64_t first) {
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  std::vector<float> values(count);
  fill_normal(kStream, first, values.data(), values.size());
  return float_tensor(values).view(shape);
}

UnifiedVoice load() {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  return UnifiedVoice(Weights(open_checkpoint(files.gpt), {}), read_model_config(files).gpt);
}

float largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.sub(b).abs().max().item<float>();
}

// Beams with random parents: 120 steps leave many keys that no beam sees, so that the cache
// squeezes them out and grows.
TEST(KvCache, BeamsSeeTheirOwnPastAndNoOther) {
  constexpr int64_t kRows = 3, kPrefix = 7, kSteps = 120;
  const Gpt2 gpt(
      Weights(open_checkpoint(find_model_files(INDEXTTS2_TINY_MODEL, "").gpt), {}).scope("gpt"),
      /*heads=*/2);
  KvCache cache(gpt.kv_shape(), noise({1}, 0));
  for (int segment = 0; segment < 2; ++segment) {  // the second one uses the memory of the first
    const at::Tensor prefix = noise({1, kPrefix, gpt.width()}, 1000 + segment);
    cache.start(kRows, kPrefix + 8);
    gpt.forward(prefix, &cache);
    std::vector<std::vector<at::Tensor>> past(kRows, {prefix});
    for (int64_t step = 0; step < kSteps; ++step) {
      std::vector<int64_t> parents;
      std::vector<std::vector<at::Tensor>> next;
      const at::Tensor fed = noise({kRows, gpt.width()}, 100000 * (step + 1));
      for (int64_t row = 0; row < kRows; ++row) {
        parents.push_back(integer_at(kStream, step * kRows + row, kRows));
        next.push_back(past[parents[row]]);
        next[row].push_back(fed.narrow(0, row, 1).unsqueeze(0));
      }
      past = next;
      cache.extend_rows(parents);
      const at::Tensor got = gpt.step(fed, {&cache});
      if (step % 17 != 0 && step + 1 != kSteps) continue;
      for (int64_t row = 0; row < kRows; ++row) {
        const at::Tensor whole = gpt.forward(concat(past[row], 1));
        EXPECT_LT(largest_difference(got.narrow(0, row, 1), whole.select(1, whole.size(1) - 1)),
                  2e-4f)
            << "step " << step << ", row " << row;
      }
    }
    EXPECT_LT(cache.size(), kPrefix + kRows * kSteps);  // some were squeezed out
  }
}

TEST(Gpt2, SeveralSegmentsGiveWhatEachGivesAlone) {
  const Gpt2 gpt(
      Weights(open_checkpoint(find_model_files(INDEXTTS2_TINY_MODEL, "").gpt), {}).scope("gpt"), 2);
  const std::vector<int64_t> rows = {3, 1, 2};
  std::vector<KvCache> together, alone;
  std::vector<KvCache*> all;
  for (size_t s = 0; s < rows.size(); ++s) {
    for (auto* list : {&together, &alone}) {
      list->emplace_back(gpt.kv_shape(), noise({1}, 0));
      list->back().start(rows[s], 64);
      const int64_t length = 5 + 4 * static_cast<int64_t>(s);
      gpt.forward(noise({1, length, gpt.width()}, 7000 * (s + 1)), &list->back());
    }
  }
  for (KvCache& cache : together) all.push_back(&cache);
  for (int64_t step = 0; step < 5; ++step) {
    const at::Tensor fed = noise({6, gpt.width()}, 31000 * (step + 1));
    for (KvCache* cache : all) cache->extend_rows(std::vector<int64_t>(cache->rows(), 0));
    const at::Tensor got = gpt.step(fed, all);
    int64_t row = 0;
    for (size_t s = 0; s < rows.size(); ++s) {
      alone[s].extend_rows(std::vector<int64_t>(rows[s], 0));
      const at::Tensor want = gpt.step(fed.narrow(0, row, rows[s]), {&alone[s]});
      EXPECT_LT(largest_difference(got.narrow(0, row, rows[s]), want), 1e-4f);
      row += rows[s];
    }
  }
}

TEST(UnifiedVoice, LimitsComeFromThePositionTables) {
  const UnifiedVoice model = load();
  EXPECT_EQ(model.max_text_tokens(), 240);
  EXPECT_EQ(model.max_codes(), 180);
  EXPECT_EQ(model.vocabulary(), 258);
  const at::Tensor conditioning = model.conditioning(noise({1, 32, 128}, 0), noise({1, 128}, 5000));
  EXPECT_EQ(conditioning.sizes(), at::IntArrayRef({1, 34, 128}));
  EXPECT_EQ(model.prefix(conditioning, std::vector<int32_t>(240, 5)).size(1), 34 + 242);
  EXPECT_EQ(model.latent(conditioning, {5, 6}, std::vector<int64_t>(180, 3)).size(1), 180);
}

TEST(UnifiedVoice, StartAndStopIdsInsideTheTextAreLeftOutOfThePrefixOnly) {
  const UnifiedVoice model = load();
  const at::Tensor conditioning = model.conditioning(noise({1, 32, 128}, 0), noise({1, 128}, 5000));
  EXPECT_TRUE(model.prefix(conditioning, {5, 0, 6, 1}).equal(model.prefix(conditioning, {5, 6})));
  EXPECT_GT(largest_difference(model.latent(conditioning, {5, 0, 6, 1}, {3, 4}),
                               model.latent(conditioning, {5, 6}, {3, 4})),
            1e-4f);
}

TEST(UnifiedVoice, RefusesTextThatDoesNotFit) {
  const UnifiedVoice model = load();
  const at::Tensor conditioning = model.conditioning(noise({1, 32, 128}, 0), noise({1, 128}, 5000));
  const auto code = [&](const std::vector<int32_t>& ids) {
    try {
      model.prefix(conditioning, ids);
    } catch (const Error& error) {
      return error.code;
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code(std::vector<int32_t>(241, 5)), ErrorCode::kTextTooLong);
  EXPECT_EQ(code({5, 12001}), ErrorCode::kModel);
  EXPECT_EQ(code({-1}), ErrorCode::kModel);
}

TEST(UnifiedVoice, RefusesAConfigOfAnotherModel) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  GptConfig config = read_model_config(files).gpt;
  const auto open = [&] { UnifiedVoice(Weights(open_checkpoint(files.gpt), {}), config); };
  config.heads = 3;
  EXPECT_THROW(open(), Error);
  config.heads = 2;
  config.stop_mel_token = 8193;
  EXPECT_THROW(open(), Error);
}

}  // namespace
}  // namespace indextts2
