// Logits processors and draws: each rule alone, its edges, and what must be refused.
#include "ops/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// All processors off.
SamplingOptions off() {
  SamplingOptions options;
  options.temperature = 1.0;
  options.top_p = 1.0;
  options.top_k = 0;
  options.repetition_penalty = 1.0;
  return options;
}

Survivors process(const std::vector<float>& logits, const SamplingOptions& options,
                  int min_keep = 1, const std::vector<int32_t>& history = {},
                  Normalise normalise = Normalise::kNone) {
  return process_logits(logits.data(), logits.size(), history, options, normalise, min_keep);
}

std::vector<int32_t> tokens(const Survivors& survivors) {
  std::vector<int32_t> out;
  for (const TokenScore& t : survivors) out.push_back(t.token);
  return out;
}

ErrorCode code_of(const std::vector<float>& logits, const SamplingOptions& options = off()) {
  try {
    process(logits, options);
  } catch (const Error& error) {
    return error.code;
  }
  return ErrorCode::kInternal;
}

TEST(ProcessLogits, LeavesScoresAloneWhenEverythingIsOff) {
  const std::vector<float> logits = {0.5f, -2.0f, 3.0f};
  const Survivors got = process(logits, off());
  ASSERT_EQ(tokens(got), (std::vector<int32_t>{0, 1, 2}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(got[i].score, logits[i]);
}

TEST(ProcessLogits, LogSoftmaxSumsToOne) {
  const Survivors got = process({1.0f, 2.0f, -3.0f, 1000.0f}, off(), 2, {}, Normalise::kLogSoftmax);
  double sum = 0;
  for (const TokenScore& t : got) sum += std::exp(t.score);
  EXPECT_NEAR(sum, 1.0, 1e-6);
  EXPECT_EQ(got[3].score, 0.0f);
}

TEST(ProcessLogits, RefusesWhatNoSoftmaxIsDefinedOn) {
  EXPECT_EQ(code_of({0.0f, kNan}), ErrorCode::kSynthesis);
  EXPECT_EQ(code_of({kNan, 0.0f}), ErrorCode::kSynthesis);
  EXPECT_EQ(code_of({0.0f, kInf}), ErrorCode::kSynthesis);
  EXPECT_EQ(code_of({-kInf, -kInf}), ErrorCode::kSynthesis);
}

TEST(ProcessLogits, MinusInfinityIsNeverASurvivor) {
  SamplingOptions options = off();
  options.top_k = 4;
  EXPECT_EQ(tokens(process({-kInf, 1.0f, -kInf, 2.0f}, options)), (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(tokens(process({-kInf, 1.0f, -kInf, 2.0f}, off())), (std::vector<int32_t>{1, 3}));
}

TEST(ProcessLogits, RepetitionPenaltyCountsEachIdOnce) {
  SamplingOptions options = off();
  options.repetition_penalty = 10.0;
  const Survivors got = process({2.0f, -2.0f, 1.0f, 0.0f}, options, 1, {0, 1, 1, 0, 3, 99, -1});
  EXPECT_FLOAT_EQ(got[0].score, 0.2f);
  EXPECT_FLOAT_EQ(got[1].score, -20.0f);
  EXPECT_FLOAT_EQ(got[2].score, 1.0f);
  EXPECT_FLOAT_EQ(got[3].score, 0.0f);
}

TEST(ProcessLogits, PenaltyComesBeforeTemperature) {
  SamplingOptions options = off();
  options.repetition_penalty = 2.0;
  options.temperature = 0.5;
  EXPECT_FLOAT_EQ(process({-1.0f, 0.0f}, options, 1, {0})[0].score, -4.0f);
}

TEST(ProcessLogits, TopKKeepsTiesAndAtLeastMinKeep) {
  SamplingOptions options = off();
  options.top_k = 2;
  EXPECT_EQ(tokens(process({1.0f, 3.0f, 2.0f, 2.0f, 0.0f}, options)),
            (std::vector<int32_t>{1, 2, 3}));
  options.top_k = 1;
  EXPECT_EQ(tokens(process({1.0f, 3.0f, 2.0f}, options, 1)), (std::vector<int32_t>{1}));
  EXPECT_EQ(tokens(process({1.0f, 3.0f, 2.0f}, options, 2)), (std::vector<int32_t>{1, 2}));
  options.top_k = 50;
  EXPECT_EQ(process({1.0f, 3.0f, 2.0f}, options).size(), 3u);
  EXPECT_EQ(process({1.0f, 1.0f, 1.0f}, options).size(), 3u);
}

TEST(ProcessLogits, TopPRemovesTheTailOfTheDistribution) {
  SamplingOptions options = off();
  options.top_p = 0.75;
  // Probabilities 0.5, 0.25, 0.15, 0.1: removing 0.1 leaves 0.9, removing 0.25 leaves exactly 0.75.
  const std::vector<float> logits = {std::log(0.15f), std::log(0.5f), std::log(0.1f),
                                     std::log(0.25f)};
  options.top_p = 0.76;
  EXPECT_EQ(tokens(process(logits, options)), (std::vector<int32_t>{0, 1, 3}));
  options.top_p = 0.74;
  EXPECT_EQ(tokens(process(logits, options)), (std::vector<int32_t>{1, 3}));
  options.top_p = 1e-6;
  EXPECT_EQ(tokens(process(logits, options, 1)), (std::vector<int32_t>{1}));
  EXPECT_EQ(tokens(process(logits, options, 2)), (std::vector<int32_t>{1, 3}));
}

// The fast path looks at the best 128 first; a flat row needs more of them.
TEST(ProcessLogits, TopPOverManyTokens) {
  SamplingOptions options = off();
  for (const size_t count : {100u, 1000u, 8194u}) {
    std::vector<float> logits(count);
    for (size_t i = 0; i < count; ++i) logits[i] = 1e-4f * static_cast<float>(i);
    options.top_p = 0.9;
    const Survivors got = process(logits, options);
    double kept = 0, all = 0;
    for (size_t i = 0; i < count; ++i) all += std::exp(double{logits[i]});
    for (const TokenScore& t : got) kept += std::exp(double{t.score});
    EXPECT_GE(kept / all, 0.9 - 1e-5);
    EXPECT_LT((kept - std::exp(double{got.front().score})) / all, 0.9 + 1e-5);
    EXPECT_EQ(got.back().token, static_cast<int32_t>(count) - 1);
    EXPECT_EQ(got.size(), count - got.front().token);
  }
}

TEST(ProcessLogits, TypicalKeepsWhatIsNearTheEntropy) {
  SamplingOptions options = off();
  options.typical_sampling = true;
  options.typical_mass = 0.3;
  // One likely token carries little information; the many of middle size are the typical ones.
  std::vector<float> logits(11, std::log(0.06f));
  logits[0] = std::log(0.4f);
  const Survivors got = process(logits, options);
  EXPECT_EQ(got.size(), 10u);
  EXPECT_EQ(got.front().token, 1);
  // Mass beyond everything keeps all.
  options.typical_mass = 0.999999;
  EXPECT_EQ(process(logits, options).size(), 11u);
}

TEST(ProcessLogits, TypicalKeepsMinKeepAndBearsZeroProbabilities) {
  SamplingOptions options = off();
  options.typical_sampling = true;
  options.typical_mass = 0.1;
  const std::vector<float> logits = {0.0f, -kInf, -1.0f, -200.0f};
  EXPECT_EQ(tokens(process(logits, options, 1)), (std::vector<int32_t>{0}));
  EXPECT_EQ(tokens(process(logits, options, 2)), (std::vector<int32_t>{0, 2}));
}

TEST(CheckSamplingOptions, NamesTheOption) {
  const auto message = [](auto change) {
    SamplingOptions options;
    change(options);
    try {
      check_sampling_options(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kSettings);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const double nan = std::nan("");
  EXPECT_EQ(message([](auto&) {}), "accepted");
  for (double bad : {0.0, -1.0, nan}) {
    EXPECT_NE(message([&](auto& o) { o.temperature = bad; }).find("temperature"),
              std::string::npos);
    EXPECT_NE(message([&](auto& o) { o.top_p = bad; }).find("top_p"), std::string::npos);
    EXPECT_NE(message([&](auto& o) { o.repetition_penalty = bad; }).find("repetition_penalty"),
              std::string::npos);
  }
  EXPECT_NE(message([](auto& o) { o.top_p = 1.01; }).find("top_p"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.top_k = -1; }).find("top_k"), std::string::npos);
  EXPECT_EQ(message([](auto& o) { o.typical_mass = 2; }), "accepted");
  EXPECT_NE(message([](auto& o) {
              o.typical_sampling = true;
              o.typical_mass = 1.0;
            }).find("typical_mass"),
            std::string::npos);
}

Draws given(const std::vector<float>& q) {
  Draws draws;
  draws.recorded = q.data();
  return draws;
}

TEST(DrawCandidates, TakesTheLargestProbabilityOverDraw) {
  const std::vector<Survivors> rows = {{{0, 0.0f}, {2, 1.0f}}, {{1, 0.5f}}};
  const std::vector<float> q = {0.1f, 1.0f, 5.0f, 1.0f, 1.0f, 1.0f};
  const auto got = draw_candidates(rows, 3, 3, given(q));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].row, 0);
  EXPECT_EQ(got[0].token, 0);
  EXPECT_EQ(got[1].row, 1);
  EXPECT_EQ(got[1].token, 1);
  EXPECT_EQ(got[1].score, 0.5f);
  EXPECT_EQ(got[2].token, 2);
}

TEST(DrawCandidates, TiesGoToTheLowestIndex) {
  const std::vector<Survivors> rows = {{{1, 0.0f}, {2, 0.0f}}, {{0, 0.0f}, {2, 0.0f}}};
  const std::vector<float> q(6, 1.0f);
  const auto got = draw_candidates(rows, 3, 3, given(q));
  EXPECT_EQ(got[0].row * 3 + got[0].token, 1);
  EXPECT_EQ(got[1].row * 3 + got[1].token, 2);
  EXPECT_EQ(got[2].row * 3 + got[2].token, 3);
}

TEST(DrawCandidates, FillsUpWithTheLowestIndicesOfProbabilityZero) {
  // Row 1 is a beam that does not exist yet: it survives, but its probability is zero.
  const std::vector<Survivors> rows = {{{1, -1.0f}, {3, -2.0f}}, {{0, -1e9f}, {2, -1e9f}}};
  const std::vector<float> q(10, 1.0f);
  const auto got = draw_candidates(rows, 5, 6, given(q));
  std::vector<int> index;
  for (const Candidate& c : got) index.push_back(c.row * 5 + c.token);
  EXPECT_EQ(index, (std::vector<int>{1, 3, 0, 2, 4, 5}));
  EXPECT_EQ(got[2].score, -kInf);
  EXPECT_EQ(got[5].score, -1e9f);
}

TEST(DrawCandidates, NeverAsksForMoreThanThereIs) {
  EXPECT_EQ(draw_candidates({{{0, 0.0f}}}, 2, 6, given({1.0f, 1.0f})).size(), 2u);
}

TEST(DrawCandidates, RefusesRowsWithoutAFiniteScore) {
  const std::vector<float> q(4, 1.0f);
  EXPECT_THROW(draw_candidates({{}, {}}, 2, 2, given(q)), Error);
  EXPECT_THROW(draw_candidates({{{0, -kInf}}}, 2, 2, given(q)), Error);
  EXPECT_THROW(draw_candidates({{{0, kNan}}}, 2, 2, given(q)), Error);
}

TEST(DrawCandidates, PhiloxDrawsFollowTheProbabilities) {
  const std::vector<Survivors> rows = {
      {{0, std::log(0.6f)}, {3, std::log(0.3f)}, {4, std::log(0.1f)}}};
  int count[5] = {};
  Draws draws;
  draws.stream = {42, 0, RandomPurpose::kCodes};
  constexpr int kRuns = 20000;
  for (int i = 0; i < kRuns; ++i) {
    draws.first = static_cast<uint64_t>(i) * 5;
    ++count[draw_candidates(rows, 5, 1, draws)[0].token];
  }
  EXPECT_NEAR(count[0], 0.6 * kRuns, 300);
  EXPECT_NEAR(count[3], 0.3 * kRuns, 300);
  EXPECT_NEAR(count[4], 0.1 * kRuns, 200);
}

TEST(DrawCandidates, RecordedPhiloxDrawsGiveTheSame) {
  std::vector<Survivors> rows(3);
  for (int r = 0; r < 3; ++r) {
    for (int t = 0; t < 50; t += 3) rows[r].push_back({t, -0.1f * static_cast<float>(t * (r + 1))});
  }
  Draws live;
  live.stream = {7, 3, RandomPurpose::kCodes};
  live.first = 1500;
  std::vector<float> q(150);
  fill_exponential(live.stream, live.first, q.data(), q.size());
  const auto a = draw_candidates(rows, 50, 6, live), b = draw_candidates(rows, 50, 6, given(q));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(a[i].row, b[i].row);
    EXPECT_EQ(a[i].token, b[i].token);
  }
}

}  // namespace
}  // namespace indextts2
