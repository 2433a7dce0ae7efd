// The beam scorer on hand-made logits: who goes on, who is finished, when it ends, what wins.
#include "stages/beam_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr int64_t kVocabulary = 6, kStart = 4, kStop = 5;
constexpr float kInf = std::numeric_limits<float>::infinity();

BeamOptions plain(int num_beams) {
  BeamOptions options;
  options.sampling.temperature = 1.0;
  options.sampling.top_p = 1.0;
  options.sampling.top_k = 0;
  options.sampling.repetition_penalty = 1.0;
  options.num_beams = num_beams;
  options.max_codes = 10;
  options.vocabulary = kVocabulary;
  options.start_token = kStart;
  options.stop_token = kStop;
  return options;
}

// A search whose draws are all 1: the most likely candidates are taken, as in a beam search without
// chance.
class Likeliest {
 public:
  explicit Likeliest(const BeamOptions& options)
      : draws_(1000 * options.num_beams * kVocabulary, 1.0f),
        search(options, {}, draws_.data(), 1000) {}

 private:
  std::vector<float> draws_;

 public:
  BeamSearch search;
};

// Log probabilities of tokens 0..3, start, stop; the rest of the probability is shared by nobody.
std::vector<float> row(const std::vector<float>& probabilities) {
  std::vector<float> out;
  for (float p : probabilities) out.push_back(std::log(p));
  return out;
}

std::vector<float> rows(const std::vector<std::vector<float>>& all) {
  std::vector<float> out;
  for (const auto& probabilities : all) {
    for (float v : row(probabilities)) out.push_back(v);
  }
  return out;
}

using Codes = std::vector<int64_t>;

TEST(BeamSearch, FirstStepSpreadsFromOneRow) {
  Likeliest likeliest(plain(2));
  const auto choice = likeliest.search.advance(row({.4f, .3f, .2f, .06f, .02f, .02f}).data(), 1);
  EXPECT_EQ(choice.tokens, (Codes{0, 1}));
  EXPECT_EQ(choice.parents, (Codes{0, 0}));
  EXPECT_NEAR(choice.scores[0], std::log(.4), 1e-5);
  EXPECT_EQ(likeliest.search.candidates().size(), 4u);
  EXPECT_FALSE(likeliest.search.done());
}

TEST(BeamSearch, ScoresAddUpAndBeamsFollowTheirParents) {
  Likeliest likeliest(plain(2));
  BeamSearch& search = likeliest.search;
  search.advance(row({.5f, .4f, .05f, .03f, .01f, .01f}).data(), 1);
  // Beam 1 (token 1) continues better than beam 0.
  const auto choice = search.advance(
      rows({{.2f, .2f, .2f, .2f, .1f, .1f}, {.01f, .01f, .5f, .4f, .04f, .04f}}).data(), 2);
  EXPECT_EQ(choice.parents, (Codes{1, 1}));
  EXPECT_EQ(choice.tokens, (Codes{2, 3}));
  EXPECT_NEAR(choice.scores[0], std::log(.4 * .5), 1e-5);
  EXPECT_EQ(search.codes(), (Codes{1, 2}));
}

TEST(BeamSearch, AStopAmongTheBestFinishesASequence) {
  Likeliest likeliest(plain(2));
  BeamSearch& search = likeliest.search;
  search.advance(row({.5f, .4f, .05f, .03f, .01f, .01f}).data(), 1);
  const std::vector<float> stops =
      rows({{.02f, .02f, .02f, .02f, .02f, .9f}, {.02f, .02f, .02f, .02f, .02f, .9f}});
  search.advance(stops.data(), 2);
  // Both beams stopped, but the worse of the two sequences is below the best candidate of this
  // step.
  EXPECT_FALSE(search.done());
  search.advance(stops.data(), 2);
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.codes(), (Codes{0}));
  EXPECT_FALSE(search.capped());
  EXPECT_THROW(search.advance(stops.data(), 2), Error);
}

TEST(BeamSearch, AStopBelowTheBestIsSkipped) {
  Likeliest likeliest(plain(2));
  BeamSearch& search = likeliest.search;
  // Rank 2 of the 4 candidates is the stop.
  search.advance(row({.4f, .3f, .05f, .03f, .02f, .2f}).data(), 1);
  EXPECT_EQ(search.candidates()[2].token, kStop);
  BeamOptions options = plain(2);
  options.max_codes = 1;
  Likeliest forced(options);
  forced.search.advance(row({.4f, .3f, .05f, .03f, .02f, .2f}).data(), 1);
  EXPECT_TRUE(forced.search.done());
  EXPECT_EQ(forced.search.codes(),
            (Codes{0}));  // an empty sequence would have won had it been finished
  EXPECT_TRUE(forced.search.capped());
}

TEST(BeamSearch, GoesOnWhileAnOpenBeamMayStillWin) {
  Likeliest likeliest(plain(2));
  BeamSearch& search = likeliest.search;
  search.advance(row({.5f, .4f, .05f, .03f, .01f, .01f}).data(), 1);
  // One stop only: one finished sequence is not enough.
  search.advance(
      rows({{.3f, .02f, .02f, .02f, .04f, .6f}, {.02f, .02f, .02f, .9f, .02f, .02f}}).data(), 2);
  EXPECT_FALSE(search.done());
  EXPECT_EQ(search.codes(), (Codes{1, 3}));  // .4 * .9 beats .5 * .6
  // The second stop comes at .36 * .3: worse than .36 * .6 that is still open.
  search.advance(
      rows({{.6f, .02f, .02f, .02f, .04f, .3f}, {.02f, .02f, .02f, .02f, .9f, .02f}}).data(), 2);
  EXPECT_FALSE(search.done());
}

TEST(BeamSearch, ForcedEndLetsTheOpenBeamsTakePart) {
  BeamOptions options = plain(2);
  options.max_codes = 2;
  Likeliest likeliest(options);
  BeamSearch& search = likeliest.search;
  search.advance(row({.5f, .4f, .05f, .03f, .01f, .01f}).data(), 1);
  search.advance(rows({{.1f, .1f, .1f, .1f, .1f, .5f}, {.02f, .02f, .02f, .9f, .02f, .02f}}).data(),
                 2);
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.codes(), (Codes{1, 3}));
  EXPECT_TRUE(search.capped());
}

// Sums -ln 2 (one token and the stop) and -ln 4 (three tokens and the stop), as in A14: the stop
// counts.
TEST(BeamSearch, LengthPenaltyFavoursLongOrShort) {
  for (const double penalty : {0.0, 3.0}) {
    BeamOptions options = plain(2);
    options.length_penalty = penalty;
    Likeliest likeliest(options);
    BeamSearch& search = likeliest.search;
    search.advance(row({.5f, .4f, .02f, .02f, .02f, .04f}).data(), 1);
    search.advance(
        rows({{.5f, .01f, .01f, .01f, .01f, .46f}, {.5f, .01f, .01f, .01f, .01f, .46f}}).data(), 2);
    while (!search.done()) {
      search.advance(
          rows({{.3f, .02f, .02f, .02f, .04f, .6f}, {.3f, .02f, .02f, .02f, .04f, .6f}}).data(), 2);
    }
    if (penalty == 0.0) {
      EXPECT_EQ(search.codes(), (Codes{0}));
    } else {
      EXPECT_GT(search.codes().size(), 2u);
    }
  }
}

TEST(BeamSearch, OfEqualSequencesTheLastFinishedWins) {
  BeamOptions options = plain(2);
  options.max_codes = 1;
  Likeliest likeliest(options);
  likeliest.search.advance(row({.3f, .3f, .2f, .1f, .05f, .05f}).data(), 1);
  EXPECT_EQ(likeliest.search.codes(), (Codes{1}));
}

TEST(BeamSearch, SearchesOnWhenOnlyTwoTokensHaveAProbability) {
  BeamOptions options = plain(3);
  options.sampling.top_k = 1;  // the beam mode keeps two
  Likeliest likeliest(options);
  BeamSearch& search = likeliest.search;
  const auto first = search.advance(row({.5f, .3f, .1f, .05f, .03f, .02f}).data(), 1);
  EXPECT_EQ(first.tokens.size(), 3u);
  EXPECT_EQ(first.tokens[0], 0);
  EXPECT_EQ(first.tokens[1], 1);
  EXPECT_LT(first.scores[2], -1e8f);  // a filler
  const std::vector<float> same = rows({{.5f, .3f, .1f, .05f, .03f, .02f},
                                        {.5f, .3f, .1f, .05f, .03f, .02f},
                                        {.5f, .3f, .1f, .05f, .03f, .02f}});
  const auto second = search.advance(same.data(), 3);
  EXPECT_GT(second.scores[2], -10.0f);  // replaced by continuations of the good beams
}

TEST(BeamSearch, RepetitionPenaltySeesTheFakePrefixAndTheStart) {
  BeamOptions options = plain(1);
  options.sampling.repetition_penalty = 100.0;
  Likeliest likeliest(options);
  // Ids 1 and the start code are penalised before anything was generated.
  likeliest.search.advance(std::vector<float>{1.0f, 5.0f, 0.9f, 0.0f, 5.0f, 0.0f}.data(), 1);
  EXPECT_EQ(likeliest.search.codes(), (Codes{0}));
  likeliest.search.advance(std::vector<float>{1.0f, 5.0f, 0.9f, 0.0f, 5.0f, 0.0f}.data(), 1);
  EXPECT_EQ(likeliest.search.codes(), (Codes{0, 2}));
}

TEST(BeamSearch, OneBeamStopsAtTheStopCode) {
  Likeliest likeliest(plain(1));
  BeamSearch& search = likeliest.search;
  search.advance(row({.6f, .1f, .1f, .1f, .05f, .05f}).data(), 1);
  EXPECT_EQ(search.candidates().size(), 1u);
  search.advance(row({.1f, .1f, .1f, .1f, .05f, .55f}).data(), 1);
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.codes(), (Codes{0}));
  EXPECT_FALSE(search.capped());
}

TEST(BeamSearch, OneBeamIsCappedWithoutAStop) {
  BeamOptions options = plain(1);
  options.max_codes = 2;
  Likeliest likeliest(options);
  for (int i = 0; i < 2; ++i) {
    likeliest.search.advance(row({.6f, .1f, .1f, .1f, .05f, .05f}).data(), 1);
  }
  EXPECT_TRUE(likeliest.search.done());
  EXPECT_TRUE(likeliest.search.capped());
  EXPECT_EQ(likeliest.search.codes().size(), 2u);
}

TEST(BeamSearch, BadLogitsLeaveTheSearchAsItWas) {
  Likeliest likeliest(plain(2));
  std::vector<float> bad = row({.5f, .3f, .1f, .05f, .03f, .02f});
  bad[3] = std::nanf("");
  try {
    likeliest.search.advance(bad.data(), 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSynthesis);
  }
  EXPECT_EQ(likeliest.search.steps(), 0);
  const std::vector<float> none(kVocabulary, -kInf);
  EXPECT_THROW(likeliest.search.advance(none.data(), 1), Error);
  EXPECT_EQ(likeliest.search.advance(row({.5f, .3f, .1f, .05f, .03f, .02f}).data(), 1).tokens[0],
            0);
}

TEST(BeamSearch, SeedDecidesAndSegmentsDiffer) {
  const auto run = [](uint64_t seed, uint32_t segment) {
    BeamOptions options = plain(3);
    options.max_codes = 8;
    BeamSearch search(options, {seed, segment, RandomPurpose::kCodes});
    const std::vector<float> flat = rows({{.2f, .2f, .2f, .2f, .19f, .01f},
                                          {.2f, .2f, .2f, .2f, .19f, .01f},
                                          {.2f, .2f, .2f, .2f, .19f, .01f}});
    while (!search.done()) search.advance(flat.data(), 3);
    return search.codes();
  };
  EXPECT_EQ(run(1, 0), run(1, 0));
  EXPECT_NE(run(1, 0), run(2, 0));
  EXPECT_NE(run(1, 0), run(1, 1));
}

TEST(BeamSearch, RunsOutOfRecordedDrawsWithAnError) {
  const std::vector<float> q(kVocabulary, 1.0f);
  BeamSearch search(plain(1), {}, q.data(), 1);
  const std::vector<float> logits = row({.6f, .1f, .1f, .1f, .05f, .05f});
  search.advance(logits.data(), 1);
  EXPECT_THROW(search.advance(logits.data(), 1), Error);
}

TEST(BeamOptions, OutOfRangeIsNamed) {
  const auto refused = [](auto change) {
    BeamOptions options = plain(3);
    change(options);
    try {
      check_beam_options(options);
    } catch (const Error& error) {
      return error.code == ErrorCode::kSettings;
    }
    return false;
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& o) { o.num_beams = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.num_beams = 11; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_codes = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.length_penalty = kInf; }));
  EXPECT_TRUE(refused([](auto& o) { o.stop_token = kVocabulary; }));
}

}  // namespace
}  // namespace indextts2
