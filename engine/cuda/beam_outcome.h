// What goes into and comes out of a search for codes on the device: BeamOptions as the kernels read
// them, and the codes of the sequence that won.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.h"
#include "cuda/kernels/beam_tables.h"
#include "stages/beam_search.h"

namespace indextts2 {

// False: the kernels have no room for this vocabulary.
bool beam_kernels_support(int64_t vocabulary);

// Without the pointers to device memory, which stay null.
BeamSettings beam_settings(const BeamOptions& options, const RandomStream& random);

// BeamSettings::powers: length ^ length_penalty of 0 .. max_codes codes; empty where all are 1.
std::vector<double> length_powers(const BeamOptions& options);

// What the device knows of one segment, as BeamTables holds it.
struct BeamOutcome {
  int steps = 0;
  bool stopped = false;
  std::vector<FinishedBeam> finished;
  std::vector<float> scores;    // [beams at least] of the open beams
  std::vector<uint32_t> trace;  // [steps][width]
  int width = 1;
};

// The best sequence without the stop code: BeamSearch::codes.
std::vector<int64_t> best_codes(const BeamOptions& options, const BeamOutcome& outcome);

// Throws the Error of a failed search; kNone: returns.
void throw_beam_failure(BeamFailure failure);

}  // namespace indextts2
