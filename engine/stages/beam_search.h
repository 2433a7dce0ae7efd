// Beam sampling of one segment: which codes follow, which beams go on, when it is over.
//
// Follows the beam sampling of transformers 4.52.1 (GenerationMixin._beam_search and _sample,
// BeamSearchScorer) as index-tts ee40fa7 drives it. Knows no network: it is given logits and
// answers with the next tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/beam_limits.h"
#include "core/random.h"
#include "ops/sampling.h"

namespace indextts2 {

struct BeamOptions {
  SamplingOptions sampling;
  int num_beams = 3;            // 1..kMaxBeams; 1: plain sampling without log_softmax
  double length_penalty = 0.0;  // score = sum / length^length_penalty
  int max_codes = 1500;         // >= 1; codes of a segment, the stop code included
  int64_t vocabulary = 8194;
  int64_t start_token = 8192;
  int64_t stop_token = 8193;
};

// Throws Error{kSettings} naming the option that is out of range.
void check_beam_options(const BeamOptions& options);

// Thread-safety: one thread.
class BeamSearch {
 public:
  // One step's choice: beam b goes on from what beam parents[b] was, with tokens[b].
  struct Choice {
    std::vector<int64_t> parents, tokens;  // [num_beams]
    std::vector<float> scores;
  };

  // `recorded`: draws of every step [steps, num_beams * vocabulary], not owned; null: `stream` is
  // drawn from.
  BeamSearch(const BeamOptions& options, const RandomStream& stream,
             const float* recorded = nullptr, size_t recorded_steps = 0);

  // Takes the logits that follow the current beams: [rows, vocabulary] on the CPU, rows =
  // num_beams, or 1 in the first step, where all beams are the same. Throws Error{kSynthesis} (NaN)
  // and leaves the search as it was.
  const Choice& advance(const float* logits, int64_t rows);

  bool done() const { return done_; }
  int steps() const { return steps_; }

  // The best sequence without the stop code. May be called at any time; before done() the open
  // beams take part.
  std::vector<int64_t> codes() const;
  // True when the best sequence was cut off by max_codes: the model did not stop by itself.
  bool capped() const;

  // The 2 * num_beams candidates of the last step by falling score; what the recorded decoding
  // files hold.
  const std::vector<Candidate>& candidates() const { return candidates_; }
  // What the last advance() returned.
  const Choice& choice() const { return choice_; }

 private:
  struct Hypothesis {
    double score;
    std::vector<int32_t> tokens;
  };
  // Finished sequences, at most num_beams of them.
  struct Finished {
    void add(std::vector<int32_t> tokens, double score, size_t capacity);
    std::vector<Hypothesis> all;
    double worst = 0;  // lowest score in `all`; means nothing while that is empty
  };

  std::vector<Survivors> score_rows(const float* logits, int64_t rows) const;
  void choose_one(const Candidate& candidate);
  void choose_beams();
  double normalised(double sum, int64_t length) const;
  Finished finalised() const;

  const BeamOptions options_;
  const RandomStream stream_;
  const float* const recorded_;
  const size_t recorded_steps_;
  std::vector<std::vector<int32_t>> beams_;  // codes of each open beam
  std::vector<float> scores_;                // of each open beam
  Finished finished_;
  std::vector<Candidate> candidates_;
  Choice choice_;
  int steps_ = 0;
  bool done_ = false;
  bool scorer_done_ = false;  // over before max_codes: open beams no longer count
};

}  // namespace indextts2
