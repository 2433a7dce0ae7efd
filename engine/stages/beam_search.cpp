// Beam sampling of one segment: which codes follow, which beams go on, when it is over.
#include "stages/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/error.h"

namespace indextts2 {
namespace {

// The reference feeds the sampler fake ids for the prefix, and the repetition penalty sees them.
constexpr int32_t kFakePrefixId = 1;
// Score of the beams that do not exist yet in the first step.
constexpr float kUnusedBeam = -1e9f;

void expect_option(bool ok, const char* name, double got, const char* expected) {
  if (ok) return;
  throw Error(ErrorCode::kSettings, std::string("decoding: ") + name + " is " +
                                        std::to_string(got) + "; expected " + expected);
}

}  // namespace

void check_beam_options(const BeamOptions& options) {
  check_sampling_options(options.sampling);
  expect_option(options.num_beams >= 1 && options.num_beams <= kMaxBeams, "num_beams",
                options.num_beams, "1 to 10");
  expect_option(std::isfinite(options.length_penalty), "length_penalty", options.length_penalty,
                "a finite number");
  expect_option(options.max_codes >= 1, "max_codes", options.max_codes, "1 or more");
  const bool fits = options.start_token >= 0 && options.start_token < options.vocabulary &&
                    options.stop_token >= 0 && options.stop_token < options.vocabulary;
  expect_option(fits, "vocabulary", static_cast<double>(options.vocabulary),
                "more than the start and stop token");
}

void BeamSearch::Finished::add(std::vector<int32_t> tokens, double score, size_t capacity) {
  if (all.size() >= capacity && !(score > worst)) return;
  all.push_back({score, std::move(tokens)});
  const auto lower = [](const Hypothesis& a, const Hypothesis& b) { return a.score < b.score; };
  if (all.size() > capacity) all.erase(std::min_element(all.begin(), all.end(), lower));
  worst = std::min_element(all.begin(), all.end(), lower)->score;
}

BeamSearch::BeamSearch(const BeamOptions& options, const RandomStream& stream,
                       const float* recorded, size_t recorded_steps)
    : options_(options),
      stream_(stream),
      recorded_(recorded),
      recorded_steps_(recorded_steps),
      beams_(options.num_beams),
      scores_(options.num_beams, kUnusedBeam) {
  check_beam_options(options);
  scores_[0] = 0.0f;
}

std::vector<Survivors> BeamSearch::score_rows(const float* logits, int64_t rows) const {
  const bool single = options_.num_beams == 1;
  std::vector<Survivors> out(options_.num_beams);
  std::vector<int32_t> history;
  for (int beam = 0; beam < options_.num_beams; ++beam) {
    if (beam > 0 && rows == 1) {
      out[beam] = out[0];
      continue;
    }
    history.assign({kFakePrefixId, static_cast<int32_t>(options_.start_token)});
    history.insert(history.end(), beams_[beam].begin(), beams_[beam].end());
    out[beam] = process_logits(logits + beam * options_.vocabulary, options_.vocabulary, history,
                               options_.sampling,
                               single ? Normalise::kNone : Normalise::kLogSoftmax, single ? 1 : 2);
  }
  // Backwards: row 0 is what the others were copied from.
  for (int beam = options_.num_beams - 1; beam >= 0 && !single; --beam) {
    for (TokenScore& t : out[beam]) t.score += scores_[beam];
  }
  return out;
}

const BeamSearch::Choice& BeamSearch::advance(const float* logits, int64_t rows) {
  if (done_) throw Error(ErrorCode::kInternal, "decoding: advanced a finished search");
  if (rows != options_.num_beams && !(rows == 1 && steps_ == 0)) {
    throw Error(ErrorCode::kInternal, "decoding: expected logits of " +
                                          std::to_string(options_.num_beams) + " beams, got " +
                                          std::to_string(rows));
  }
  const uint64_t width = static_cast<uint64_t>(options_.num_beams) * options_.vocabulary;
  Draws draws;
  draws.stream = stream_;
  draws.first = steps_ * width;
  if (recorded_ != nullptr) {
    if (static_cast<size_t>(steps_) >= recorded_steps_) {
      throw Error(ErrorCode::kInternal, "decoding: went on beyond the " +
                                            std::to_string(recorded_steps_) + " recorded draws");
    }
    draws.recorded = recorded_ + draws.first;
  }
  const size_t count = options_.num_beams == 1 ? 1 : 2 * options_.num_beams;
  candidates_ = draw_candidates(score_rows(logits, rows), options_.vocabulary, count, draws);
  ++steps_;
  if (options_.num_beams == 1) {
    choose_one(candidates_[0]);
  } else {
    choose_beams();
  }
  if (steps_ >= options_.max_codes) done_ = true;
  return choice_;
}

void BeamSearch::choose_one(const Candidate& candidate) {
  choice_ = {{0}, {candidate.token}, {candidate.score}};
  if (candidate.token == options_.stop_token) {
    finished_.add(beams_[0], 0.0, 1);
    done_ = scorer_done_ = true;
  } else {
    beams_[0].push_back(candidate.token);
  }
}

void BeamSearch::choose_beams() {
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  const size_t beams = options_.num_beams;
  choice_ = {};
  for (size_t rank = 0; rank < candidates_.size() && choice_.tokens.size() < beams; ++rank) {
    const Candidate& candidate = candidates_[rank];
    if (candidate.token != options_.stop_token) {
      choice_.parents.push_back(candidate.row);
      choice_.tokens.push_back(candidate.token);
      choice_.scores.push_back(candidate.score);
    } else if (rank < beams) {  // a stop that is not among the best is no sequence of its own
      finished_.add(beams_[candidate.row], normalised(candidate.score, steps_), beams);
    }
  }
  if (choice_.tokens.size() < beams) {
    throw Error(ErrorCode::kInternal,
                "decoding: too few tokens to go on with " + std::to_string(beams) + " beams");
  }
  if (finished_.all.size() >= beams &&
      finished_.worst >= normalised(candidates_.front().score, steps_)) {
    done_ = scorer_done_ = true;
  }
  std::vector<std::vector<int32_t>> next(beams);
  for (size_t b = 0; b < beams; ++b) {
    next[b] = beams_[choice_.parents[b]];
    next[b].push_back(static_cast<int32_t>(choice_.tokens[b]));
  }
  beams_ = std::move(next);
  scores_ = choice_.scores;
}

// `length` counts the stop code of a sequence that has one.
double BeamSearch::normalised(double sum, int64_t length) const {
  return sum / std::pow(static_cast<double>(length), options_.length_penalty);
}

BeamSearch::Finished BeamSearch::finalised() const {
  Finished all = finished_;
  if (scorer_done_) return all;
  for (int b = 0; b < options_.num_beams; ++b) {
    const int64_t length = std::max<int64_t>(1, static_cast<int64_t>(beams_[b].size()));
    all.add(beams_[b], normalised(scores_[b], length), options_.num_beams);
  }
  return all;
}

std::vector<int64_t> BeamSearch::codes() const {
  const Finished all = finalised();
  const Hypothesis* best = &all.all.front();
  for (const Hypothesis& h : all.all) {
    if (h.score >= best->score) best = &h;  // of equal scores the last
  }
  return {best->tokens.begin(), best->tokens.end()};
}

bool BeamSearch::capped() const {
  return done_ && static_cast<int>(codes().size()) >= options_.max_codes;
}

}  // namespace indextts2
