// Choosing codes: logits processors and draws without replacement, on rows of CPU floats.
//
// Follows the sampling of transformers 4.52.1 as index-tts ee40fa7 uses it (LogitsProcessorList,
// multinomial). After the processors few tokens have a score above minus infinity, so everything
// behind them works on those survivors only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/random.h"

namespace indextts2 {

struct SamplingOptions {
  double temperature = 0.8;  // > 0; divides the scores
  double top_p = 0.8;        // (0, 1]; 1: off. Least likely tokens of this share are removed
  int top_k = 30;            // 0: off. Tokens below the k-th best are removed, ties stay
  double repetition_penalty =
      10.0;  // > 0; 1: off. Scores of ids that occurred: negative ones times, others divided by it
  bool typical_sampling = false;  // remove tokens whose information is far from the row's entropy
  double typical_mass = 0.9;      // (0, 1); share of the probability that typical sampling keeps
};

// Throws Error{kSettings} naming the option that is out of range.
void check_sampling_options(const SamplingOptions& options);

struct TokenScore {
  int32_t token;
  float score;
};
// Tokens of a row whose score is above minus infinity, by rising token.
using Survivors = std::vector<TokenScore>;

enum class Normalise { kNone, kLogSoftmax };

// Applies, in this order: log_softmax (kLogSoftmax, the beam mode), repetition penalty over the
// distinct ids of `history`, typical sampling, temperature, top k, top p; each keeps at least
// `min_keep` tokens. Nothing is normalised again. `logits` [vocabulary]. Throws Error{kSynthesis}
// for NaN, +inf, or when every logit is -inf.
Survivors process_logits(const float* logits, size_t vocabulary,
                         const std::vector<int32_t>& history, const SamplingOptions& options,
                         Normalise normalise, int min_keep);

// Where the Exp(1) draws of one step come from: a recording, or Philox.
struct Draws {
  const float* recorded = nullptr;  // [rows * vocabulary]; not owned
  RandomStream stream;              // used when nothing is recorded
  uint64_t first = 0;               // element of the stream that belongs to index 0

  float at(uint64_t index) const {
    return recorded != nullptr ? recorded[index] : exponential_at(stream, first + index);
  }
};

struct Candidate {
  int32_t row;
  int32_t token;
  float score;
};

// Draws `count` different (row, token) pairs with probability softmax(all scores of all rows):
// those with the largest probability / draw, best first; the draw of (row, token) is draws.at(row *
// vocabulary + token). Where fewer than `count` have a probability above zero, the rest are those
// with the lowest row * vocabulary + token, whatever their score. Ties: lowest index first. Throws
// Error{kSynthesis} when no score is finite.
std::vector<Candidate> draw_candidates(const std::vector<Survivors>& rows, size_t vocabulary,
                                       size_t count, const Draws& draws);

}  // namespace indextts2
