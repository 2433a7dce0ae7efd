// What goes into and comes out of a search for codes on the device.
#include "cuda/beam_outcome.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"

namespace indextts2 {
namespace {

bool lower(const FinishedBeam& a, const FinishedBeam& b) { return a.score < b.score; }

// Finished sequences and, unless the search is over without them, the open beams.
std::vector<FinishedBeam> candidates_of(const BeamOptions& options, const BeamOutcome& outcome) {
  std::vector<FinishedBeam> all = outcome.finished;
  if (outcome.stopped) return all;
  const int length = std::max(1, outcome.steps);
  const double power = std::pow(static_cast<double>(length), options.length_penalty);
  const size_t capacity = options.num_beams;
  for (int row = 0; row < options.num_beams; ++row) {
    const double sum = options.num_beams == 1 ? 0.0 : outcome.scores.at(row);
    const FinishedBeam open{sum / power, row, outcome.steps};
    if (all.size() >= capacity) {
      const auto worst = std::min_element(all.begin(), all.end(), lower);
      if (!(open.score > worst->score)) continue;
      all.erase(worst);
    }
    all.push_back(open);
  }
  return all;
}

}  // namespace

bool beam_kernels_support(int64_t vocabulary) {
  return vocabulary >= kMinVocabulary && vocabulary <= kMaxVocabulary;
}

BeamSettings beam_settings(const BeamOptions& options, const RandomStream& random) {
  const SamplingOptions& sampling = options.sampling;
  BeamSettings settings;
  settings.random = random;
  settings.top_p = sampling.top_p;
  settings.typical_mass = sampling.typical_mass;
  settings.temperature = static_cast<float>(sampling.temperature);
  settings.repetition_penalty = static_cast<float>(sampling.repetition_penalty);
  settings.beams = options.num_beams;
  settings.top_k = sampling.top_k;
  settings.typical_sampling = sampling.typical_sampling ? 1 : 0;
  settings.max_codes = options.max_codes;
  settings.start_token = static_cast<int32_t>(options.start_token);
  settings.stop_token = static_cast<int32_t>(options.stop_token);
  return settings;
}

std::vector<double> length_powers(const BeamOptions& options) {
  std::vector<double> powers;
  if (options.length_penalty == 0) return powers;
  for (int length = 0; length <= options.max_codes; ++length) {
    powers.push_back(std::pow(static_cast<double>(length), options.length_penalty));
  }
  return powers;
}

std::vector<int64_t> best_codes(const BeamOptions& options, const BeamOutcome& outcome) {
  const std::vector<FinishedBeam> all = candidates_of(options, outcome);
  if (all.empty()) throw Error(ErrorCode::kInternal, "decoding: a search without any sequence");
  const FinishedBeam* best = &all.front();
  for (const FinishedBeam& beam : all) {
    if (beam.score >= best->score) best = &beam;  // of equal scores the last
  }
  std::vector<int64_t> codes(best->length);
  int row = best->row;
  for (int step = best->length - 1; step >= 0; --step) {
    const uint32_t choice = outcome.trace.at(static_cast<size_t>(step) * outcome.width + row);
    codes[step] = choice & kTraceTokenMask;
    row = static_cast<int>(choice >> kTraceTokenBits);
  }
  return codes;
}

void throw_beam_failure(BeamFailure failure) {
  if (failure == BeamFailure::kNone) return;
  if (failure == BeamFailure::kTooFewTokens || failure == BeamFailure::kNoDraws) {
    throw Error(ErrorCode::kInternal, failure == BeamFailure::kNoDraws
                                          ? "decoding: went on beyond the recorded draws"
                                          : "decoding: too few tokens to go on with all beams");
  }
  throw Error(ErrorCode::kSynthesis,
              std::string("synthesis: the speech model gave ") +
                  (failure == BeamFailure::kBroken ? "a score that is not a number or infinite"
                                                   : "no token a score above minus infinity") +
                  "; try precision fp32, or check the model files");
}

}  // namespace indextts2
