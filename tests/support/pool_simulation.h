// A pool on a virtual clock: the schedule is the pool's own, replicas, sessions and time are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/schedule.h"

namespace indextts2 {

// A replica decodes up to `slots` segments together (and one more first one) and renders them one
// after the other on a second thread.
struct SimulatedReplica {
  int slots = 1;
  double step_seconds = 1;          // one code of one segment
  double row_seconds = 0;           // what each further segment in the batch adds to a step
  double prefill_seconds = 0;       // before a segment's first code
  double render_seconds = 0;        // of a code
  double fixed_render_seconds = 0;  // of a segment
};

// One session that speaks one text, with at most `window` segments in flight or undelivered.
struct SimulatedText {
  double arrival = 0;
  std::vector<double> codes;      // true lengths of its segments
  std::vector<double> estimates;  // what the schedule is told; the same size
  int window = 1 << 20;
  int priority = 0;
  Dispatch dispatch = Dispatch::kRoundRobin;
};

struct SimulatedRun {
  double seconds = 0;                // until all is delivered
  std::vector<double> first_sound;   // of each text, from its arrival
  std::vector<double> first_waited;  // of each text's first segment, for a slot
  double busy_seconds = 0;           // sum over replicas of the time with work
};

SimulatedRun simulate(const std::vector<SimulatedReplica>& replicas,
                      const std::vector<SimulatedText>& texts);

// `count` lengths around `mean`, lognormal with `sigma`.
std::vector<double> lognormal_lengths(size_t count, double mean, double sigma, uint64_t seed);

}  // namespace indextts2
