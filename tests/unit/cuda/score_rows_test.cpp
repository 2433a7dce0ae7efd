// Rows of logits on the device: the tokens that process_logits leaves, with the scores that it
// gives them.
#include "cuda/kernels/score_rows.h"

#include <algorithm>
#include <limits>

#include "device_search.h"
#include "ops/sampling.h"

namespace indextts2 {
namespace {

constexpr int kVocabulary = 8194;
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Case {
  const char* name;
  SamplingOptions sampling;
  int num_beams;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, int beams, auto change) {
    SamplingOptions sampling;
    change(sampling);
    all.push_back({name, sampling, beams});
  };
  add("defaults", 3, [](auto&) {});
  add("one beam", 1, [](auto&) {});
  add("top_k 1", 3, [](auto& s) { s.top_k = 1; });
  add("top_k 32", 3, [](auto& s) { s.top_k = 32, s.top_p = 1; });
  add("top_k 33", 3, [](auto& s) { s.top_k = 33, s.top_p = 1; });
  add("top_k 500", 3, [](auto& s) { s.top_k = 500, s.top_p = 0.97; });
  add("no top_k", 3, [](auto& s) { s.top_k = 0, s.top_p = 0.9; });
  add("nothing removed", 1, [](auto& s) { s.top_k = 0, s.top_p = 1; });
  add("tiny top_p", 3, [](auto& s) { s.top_p = 1e-6; });
  add("no penalty, no temperature", 3, [](auto& s) { s.repetition_penalty = s.temperature = 1; });
  add("hot", 3, [](auto& s) { s.temperature = 2.5; });
  add("typical", 3, [](auto& s) { s.typical_sampling = true; });
  add("typical, one beam, no top_k", 1,
      [](auto& s) { s.typical_sampling = true, s.typical_mass = 0.5, s.top_k = 0; });
  return all;
}

void expect_rows(const Case& c, int vocabulary, const std::vector<float>& logits) {
  SCOPED_TRACE(c.name);
  SearchJob job;
  job.options = search_options(vocabulary, c.num_beams, 4);
  job.options.sampling = c.sampling;
  DeviceSearch search({job}, 3, 4);
  search.advance(logits);
  const Survivors want = process_logits(
      logits.data(), vocabulary, {1, static_cast<int32_t>(job.options.start_token)}, c.sampling,
      c.num_beams == 1 ? Normalise::kNone : Normalise::kLogSoftmax, c.num_beams == 1 ? 1 : 2);
  std::vector<ScoredToken> got = search.survivors(0);
  EXPECT_TRUE(
      std::is_sorted(got.begin(), got.end(), [](auto& a, auto& b) { return a.score > b.score; }));
  std::sort(got.begin(), got.end(), [](auto& a, auto& b) { return a.token < b.token; });
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].token, want[i].token) << i;
    ASSERT_NEAR(got[i].score, want[i].score, 1e-6f * (4 + std::abs(want[i].score))) << i;
  }
}

TEST(ScoreRows, KeepsTheTokensOfTheDefinition) {
  if (!have_device()) return;
  std::mt19937 random(5);
  for (const Case& c : cases()) {
    for (const float spread : {0.1f, 1.0f, 4.0f}) {
      expect_rows(c, kVocabulary, random_logits(random, 3, kVocabulary, spread));
      expect_rows(c, 258, random_logits(random, 3, 258, spread));
      expect_rows(c, kMinVocabulary, random_logits(random, 3, kMinVocabulary, spread));
    }
  }
}

TEST(ScoreRows, TiesAtTheLastPlaceStay) {
  if (!have_device()) return;
  std::vector<float> logits(3 * kVocabulary, -1.0f);
  for (int i = 0; i < 40; ++i) logits[100 * i + 7] = 5.0f;
  for (const Case& c : cases()) {
    expect_rows(c, kVocabulary, logits);
    // All equal: more ties than the fast way can rank.
    expect_rows(c, kVocabulary, std::vector<float>(3 * kVocabulary, 0.5f));
  }
}

TEST(ScoreRows, TokensThatAreImpossibleAreNoSurvivors) {
  if (!have_device()) return;
  std::vector<float> logits(3 * kVocabulary, -kInf);
  logits[17] = 1.0f;
  logits[8000] = 2.0f;
  for (const Case& c : cases()) expect_rows(c, kVocabulary, logits);
}

TEST(ScoreRows, BrokenLogitsFailTheirSegmentAlone) {
  if (!have_device()) return;
  std::mt19937 random(6);
  const std::vector<float> good = random_logits(random, 3, kVocabulary, 1.0f);
  const std::vector<std::pair<float, BeamFailure>> bad = {{std::nanf(""), BeamFailure::kBroken},
                                                          {kInf, BeamFailure::kBroken}};
  for (const auto& [value, why] : bad) {
    SearchJob job;
    job.options = search_options(kVocabulary, 3, 4);
    DeviceSearch search({job, job, job}, 3, 4);
    std::vector<float> logits;
    for (int slot = 0; slot < 3; ++slot) logits.insert(logits.end(), good.begin(), good.end());
    logits[1 * 3 * kVocabulary + kVocabulary - 1] = value;
    std::fill_n(logits.begin() + 2 * 3 * kVocabulary, kVocabulary, -kInf);
    search.advance(logits);
    EXPECT_EQ(search.failure(0), BeamFailure::kNone);
    EXPECT_FALSE(search.done(0));
    EXPECT_EQ(search.failure(1), why);
    EXPECT_TRUE(search.done(1));
    EXPECT_EQ(search.failure(2), BeamFailure::kNoToken);
    EXPECT_TRUE(search.done(2));
  }
}

}  // namespace
}  // namespace indextts2
