// What the search for codes keeps on the device, beside decode_tables.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/beam_limits.h"
#include "core/random.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// Vocabularies that the kernels take.
inline constexpr int kMinVocabulary = 2 * kMaxBeams;
inline constexpr int kMaxVocabulary = 8448;

// Why a segment's search cannot go on.
enum class BeamFailure : int32_t {
  kNone = 0,
  kNoToken = 1,       // no token has a score above minus infinity
  kBroken = 2,        // a score is NaN or infinite
  kTooFewTokens = 3,  // too few tokens to go on with all beams
  kNoDraws = 4,       // beyond the recorded draws
};

// Options of one segment: stages/beam_search.h, BeamOptions.
struct BeamSettings {
  RandomStream random;              // used unless draws are recorded
  const float* recorded = nullptr;  // [recorded_steps, beams * vocabulary]
  const double* powers = nullptr;   // [max_codes + 1] length ^ length_penalty; null: all 1
  double top_p = 1;
  double typical_mass = 0.9;
  float temperature = 1;
  float repetition_penalty = 1;
  int32_t recorded_steps = 0;
  int32_t beams = 1;
  int32_t top_k = 0;
  int32_t typical_sampling = 0;
  int32_t max_codes = 1;
  int32_t start_token = 0;
  int32_t stop_token = 0;
};

// A finished sequence: what beam `row` was after `length` codes.
struct FinishedBeam {
  double score;
  int32_t row;
  int32_t length;
};

struct ScoredToken {
  int32_t token;
  float score;
};

// One choice of the trace: the beam went on from `parent` with `token`.
inline constexpr int kTraceTokenBits = 24;
inline constexpr uint32_t kTraceTokenMask = (1u << kTraceTokenBits) - 1;

// Letters as decode_tables.h; V vocabulary, R rows of the largest step, W = ceil(V / 32). A segment
// starts with steps, done, failure, finished_count and stopped 0; the rest needs no first value.
struct BeamTables {
  const BeamSettings* settings;  // [slots]
  float* scores;                 // [slots][B] of each open beam
  uint32_t* history;             // [slots][B][W] bits of the ids that the penalty sees
  uint32_t* trace;               // [slots][max_codes][B] parent << kTraceTokenBits | token
  int32_t* parents;              // [slots][B] what each beam went on from in the last choice
  FinishedBeam* finished;        // [slots][B] in the order of BeamSearch
  int32_t* finished_count;       // [slots]
  int32_t* stopped;              // [slots] not 0: over before max_codes, open beams do not count
  int32_t* failure;              // [slots] BeamFailure; a failed segment is done as well
  ScoredToken* survivors;        // [R][V] tokens left of each row; scratch
  int32_t* survivor_count;       // [R]
  uint64_t* keys;                // [R / B][B * V] scratch of long draws
  int32_t vocabulary;
  int32_t max_codes;
};

}  // namespace indextts2
