// The next code of every beam: draw_candidates of ops/sampling.h and BeamSearch of
// stages/beam_search.h on the device.
//
// A drawn token is one number, key above index: the greater, the better, and no two are equal. Up
// to kShort of them are ranked by counting in shared memory; more are kept in global memory and
// the best looked for again and again.
#include "cuda/kernels/beam_reorder.cuh"
#include "cuda/kernels/block_math.cuh"
#include "cuda/kernels/choose_codes.h"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/finished_beams.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kShort = 1024;
constexpr int kMaxDrawn = 2 * kMaxBeams;

struct Drawn {
  int32_t row, token;
  float score;
};

struct Shared {
  uint64_t keys[kShort];
  Drawn survivors[kShort];  // of all rows, where there are no more
  uint64_t best[kWarps];
  double sums[kWarps];
  float maxima[kWarps];
  int from[kMaxBeams + 1];  // first survivor of each row, counted through all rows
  float scores[kMaxBeams];  // of the open beams
  Drawn drawn[kMaxDrawn], ranked[kMaxDrawn];
  int32_t parents[kMaxBeams], tokens[kMaxBeams];
  int drawn_count;
  int over;  // no code follows
};

// One segment of the step.
struct Segment {
  const BeamSettings& settings;
  // rows: that candidates are drawn from. In the first step only row 0 counts, as the other beams'
  // scores are so low that none of their tokens is ever drawn.
  int slot, place, beams, rows, step;
  int wanted;    // candidates to draw
  int finished;  // sequences, before this choice
};

__device__ float score_of(const DecodeTables& tables, const BeamTables& beams,
                          const Segment& segment, const Shared& shared, int row, int rank,
                          int32_t* token) {
  const size_t first = static_cast<size_t>(segment.place) * tables.max_beams + row;
  const ScoredToken survivor = beams.survivors[first * beams.vocabulary + rank];
  *token = survivor.token;
  return segment.settings.beams == 1 ? survivor.score : survivor.score + shared.scores[row];
}

// Which row the survivor number `item` of the segment belongs to.
__device__ int row_of(const Segment& segment, const Shared& shared, int item) {
  int row = 0;
  while (row + 1 < segment.rows && item >= shared.from[row + 1]) ++row;
  return row;
}

// Survivor number `item` of the segment, from where it was written.
__device__ Drawn read_survivor(const DecodeTables& tables, const BeamTables& beams,
                               const Segment& segment, const Shared& shared, int item) {
  Drawn survivor;
  survivor.row = row_of(segment, shared, item);
  const int rank = item - shared.from[survivor.row];
  survivor.score = score_of(tables, beams, segment, shared, survivor.row, rank, &survivor.token);
  return survivor;
}

// The same once load_rows() has been called. Of few survivors a thread may ask for its own only.
__device__ Drawn survivor_at(const DecodeTables& tables, const BeamTables& beams,
                             const Segment& segment, const Shared& shared, int item) {
  if (shared.from[segment.rows] <= kShort) return shared.survivors[item];
  return read_survivor(tables, beams, segment, shared, item);
}

__device__ void set_failure(const DecodeTables& tables, const BeamTables& beams, int slot,
                            BeamFailure why) {
  beams.failure[slot] = static_cast<int32_t>(why);
  tables.done[slot] = 1;
}

// Scores of the open beams, where each row's survivors begin, and few survivors themselves.
__device__ void load_rows(const DecodeTables& tables, const BeamTables& beams,
                          const Segment& segment, Shared& shared) {
  if (threadIdx.x < 32) {
    const int row = threadIdx.x;
    int count = 0;
    if (row < segment.rows) {
      count = beams.survivor_count[segment.place * tables.max_beams + row];
      shared.scores[row] =
          segment.step == 0 ? 0.0f : beams.scores[segment.slot * tables.max_beams + row];
    }
    for (int o = 1; o < 16; o <<= 1) {
      const int below = __shfl_up_sync(kAllLanes, count, o);
      if (row >= o) count += below;
    }
    if (row == 0) shared.from[0] = 0;
    if (row < segment.rows) shared.from[row + 1] = count;
  }
  __syncthreads();
  const int items = shared.from[segment.rows];
  if (items > kShort) return;
  for (int item = threadIdx.x; item < items; item += kThreads) {
    shared.survivors[item] = read_survivor(tables, beams, segment, shared, item);
  }
}

// The keys of all survivors, into `keys`; false when no softmax is defined on their scores.
__device__ bool draw_keys(const DecodeTables& tables, const BeamTables& beams,
                          const Segment& segment, Shared& shared, uint64_t* keys) {
  const int items = shared.from[segment.rows];
  float largest = -INFINITY;
  for (int item = threadIdx.x; item < items; item += kThreads) {
    largest = fmaxf(largest, survivor_at(tables, beams, segment, shared, item).score);
  }
  largest = block_max<kWarps>(largest, shared.maxima);
  if (!(largest < INFINITY && largest > -INFINITY)) return false;
  double sum = 0;
  for (int item = threadIdx.x; item < items; item += kThreads) {
    sum += rounded_exp(survivor_at(tables, beams, segment, shared, item).score - largest);
  }
  sum = block_sum<kWarps>(sum, shared.sums);
  const uint64_t width = static_cast<uint64_t>(segment.beams) * beams.vocabulary;
  const uint64_t first = segment.step * width;
  for (int item = threadIdx.x; item < items; item += kThreads) {
    const Drawn own = survivor_at(tables, beams, segment, shared, item);
    const float p = static_cast<float>(rounded_exp(own.score - largest) / sum);
    const uint32_t index = static_cast<uint32_t>(own.row) * beams.vocabulary + own.token;
    uint64_t key = 0;
    if (p > 0) {
      const float draw = segment.settings.recorded != nullptr
                             ? segment.settings.recorded[first + index]
                             : exponential_at(segment.settings.random, first + index);
      key = static_cast<uint64_t>(__float_as_uint(__fdiv_rn(p, draw))) << 32 | ~index;
    }
    keys[item] = key;
  }
  __syncthreads();
  return true;
}

__device__ uint64_t warp_best(uint64_t key) {
  for (int o = 16; o > 0; o >>= 1) {
    const uint64_t other = __shfl_xor_sync(kAllLanes, key, o);
    key = other > key ? other : key;
  }
  return key;
}

// The best `wanted` keys above zero, best first, into shared.drawn.
__device__ void take_best(const DecodeTables& tables, const BeamTables& beams,
                          const Segment& segment, Shared& shared, const uint64_t* keys) {
  const int items = shared.from[segment.rows];
  if (keys == shared.keys) {
    for (int item = threadIdx.x; item < items; item += kThreads) {
      const uint64_t own = keys[item];
      if (own == 0) continue;
      int ahead = 0;
      for (int other = 0; other < items; ++other) ahead += keys[other] > own;
      if (ahead < segment.wanted) {
        shared.drawn[ahead] = survivor_at(tables, beams, segment, shared, item);
        atomicAdd(&shared.drawn_count, 1);
      }
    }
    __syncthreads();
    return;
  }
  uint64_t last = ~uint64_t{0};
  for (int rank = 0; rank < segment.wanted; ++rank) {
    uint64_t best = 0;
    int place = -1;
    for (int item = threadIdx.x; item < items; item += kThreads) {
      if (keys[item] < last && keys[item] > best) best = keys[item], place = item;
    }
    const uint64_t own = best;
    best = warp_best(best);
    if ((threadIdx.x & 31) == 0) shared.best[threadIdx.x >> 5] = best;
    __syncthreads();
    best = warp_best(shared.best[threadIdx.x & (kWarps - 1)]);
    if (best != 0 && own == best) {
      shared.drawn[rank] = survivor_at(tables, beams, segment, shared, place);
      shared.drawn_count = rank + 1;
    }
    __syncthreads();
    if (best == 0) return;
    last = best;
  }
}

// One thread: where too few have a probability above zero, the first tokens follow.
__device__ void fill_up(const DecodeTables& tables, const BeamTables& beams, const Segment& segment,
                        Shared& shared) {
  int count = shared.drawn_count;
  const int taken = count;
  for (int token = 0; count < segment.wanted && token < beams.vocabulary; ++token) {
    bool same = false;
    for (int i = 0; i < taken; ++i) {
      same |= shared.drawn[i].row == 0 && shared.drawn[i].token == token;
    }
    if (same) continue;
    Drawn drawn{0, token, -INFINITY};
    for (int rank = 0; rank < shared.from[1]; ++rank) {
      int32_t found;
      const float score = score_of(tables, beams, segment, shared, 0, rank, &found);
      if (found == token) drawn.score = score;
    }
    shared.drawn[count++] = drawn;
  }
}

__device__ double normalised(const BeamSettings& settings, double sum, int length) {
  return settings.powers == nullptr ? sum : sum / settings.powers[length];
}

// One thread: num_beams 1.
__device__ void choose_one(const BeamTables& beams, const Segment& segment, Finished& finished,
                           Shared& shared) {
  shared.parents[0] = 0;
  shared.tokens[0] = shared.drawn[0].token;
  if (shared.drawn[0].token != segment.settings.stop_token) return;
  finished.add({0.0, 0, segment.step});
  beams.stopped[segment.slot] = 1;
  shared.over = 1;
}

// One thread: two or more beams; shared.ranked holds the candidates by falling score. False:
// failed.
__device__ bool choose_beams(const DecodeTables& tables, const BeamTables& beams,
                             const Segment& segment, Finished& finished, Shared& shared) {
  float* scores = beams.scores + static_cast<size_t>(segment.slot) * tables.max_beams;
  int open = 0;
  for (int rank = 0; rank < segment.wanted && open < segment.beams; ++rank) {
    const Drawn& candidate = shared.ranked[rank];
    if (candidate.token != segment.settings.stop_token) {
      shared.parents[open] = candidate.row;
      shared.tokens[open] = candidate.token;
      scores[open++] = candidate.score;
    } else if (rank < segment.beams) {
      const double score = normalised(segment.settings, candidate.score, segment.step + 1);
      finished.add({score, candidate.row, segment.step});
    }
  }
  if (open < segment.beams) return false;
  if (finished.count >= segment.beams &&
      finished.all[finished.lowest()].score >=
          normalised(segment.settings, shared.ranked[0].score, segment.step + 1)) {
    beams.stopped[segment.slot] = 1;
    shared.over = 1;
  }
  return true;
}

// One thread: what the next step is fed, and the trace.
__device__ void write_choice(const DecodeTables& tables, const BeamTables& beams,
                             const Segment& segment, Shared& shared) {
  const size_t first = static_cast<size_t>(segment.slot) * tables.max_beams;
  uint32_t* trace =
      beams.trace +
      (static_cast<size_t>(segment.slot) * beams.max_codes + segment.step) * tables.max_beams;
  for (int b = 0; b < segment.beams; ++b) {
    const uint32_t parent = shared.parents[b], token = shared.tokens[b];
    beams.parents[first + b] = shared.parents[b];
    tables.tokens[first + b] = shared.tokens[b];
    trace[b] = parent << kTraceTokenBits | token;
  }
  if (segment.step + 1 >= segment.settings.max_codes) shared.over = 1;
  tables.steps[segment.slot] = segment.step + 1;
  if (shared.over != 0) tables.done[segment.slot] = 1;
}

// One thread: which beams go on, from shared.ranked.
__device__ void decide(const DecodeTables& tables, const BeamTables& beams, const Segment& segment,
                       Shared& shared) {
  Finished finished{beams.finished + static_cast<size_t>(segment.slot) * tables.max_beams,
                    segment.finished, segment.beams};
  bool chosen = true;
  if (segment.beams == 1) {
    choose_one(beams, segment, finished, shared);
  } else {
    chosen = choose_beams(tables, beams, segment, finished, shared);
  }
  beams.finished_count[segment.slot] = finished.count;
  if (chosen) {
    write_choice(tables, beams, segment, shared);
  } else {
    shared.over = 1;
    set_failure(tables, beams, segment.slot, BeamFailure::kTooFewTokens);
  }
}

// Every beam's ids become its parent's and its own token.
__device__ void move_history(const DecodeTables& tables, const BeamTables& beams,
                             const Segment& segment, const Shared& shared) {
  const int words = (beams.vocabulary + 31) / 32;
  uint32_t* history = beams.history + static_cast<size_t>(segment.slot) * tables.max_beams * words;
  for (int w = threadIdx.x; w < words; w += kThreads) {
    uint32_t bits[kMaxBeams];
    for (int b = 0; b < segment.beams; ++b) {
      if (segment.step > 0) {
        bits[b] = history[shared.parents[b] * words + w];
      } else {  // the fake id of the prefix and the start code
        bits[b] =
            (w == 0 ? 2u : 0u) |
            (w == segment.settings.start_token / 32 ? 1u << segment.settings.start_token % 32 : 0u);
      }
      if (w == shared.tokens[b] / 32) bits[b] |= 1u << shared.tokens[b] % 32;
    }
    for (int b = 0; b < segment.beams; ++b) history[b * words + w] = bits[b];
  }
}

__global__ void __launch_bounds__(kThreads) choose(DecodeTables tables, BeamTables beams) {
  __shared__ Shared shared;
  const int slot = tables.segments[blockIdx.x];
  const bool idle = slot < 0 || tables.done[slot] != 0;
  const int step = idle ? 0 : tables.steps[slot];
  const int finished = idle ? 0 : beams.finished_count[slot];
  const int count = idle ? 0 : beams.settings[slot].beams;
  wait_for_predecessors();
  if (idle) return;
  const BeamSettings& settings = beams.settings[slot];
  const bool failed = beams.failure[slot] != 0;
  const bool no_draws = settings.recorded != nullptr && step >= settings.recorded_steps;
  if (failed || no_draws) {
    __syncthreads();  // all have read `failure` and `done`
    if (threadIdx.x == 0 && failed) tables.done[slot] = 1;
    if (threadIdx.x == 0 && !failed) set_failure(tables, beams, slot, BeamFailure::kNoDraws);
    return;
  }
  const Segment segment{settings,
                        slot,
                        static_cast<int>(blockIdx.x),
                        count,
                        step == 0 ? 1 : count,
                        step,
                        count == 1 ? 1 : 2 * count,
                        finished};
  if (threadIdx.x == 0) shared.drawn_count = shared.over = 0;
  load_rows(tables, beams, segment, shared);
  uint64_t* keys = shared.keys;
  if (shared.from[segment.rows] > kShort) {
    keys = beams.keys + static_cast<size_t>(blockIdx.x) * tables.max_beams * beams.vocabulary;
  }
  if (!draw_keys(tables, beams, segment, shared, keys)) {
    if (threadIdx.x == 0) set_failure(tables, beams, slot, BeamFailure::kBroken);
    return;
  }
  take_best(tables, beams, segment, shared, keys);
  if (shared.drawn_count < segment.wanted) {  // the same for all: nobody changes it from here on
    if (threadIdx.x == 0) fill_up(tables, beams, segment, shared);
    __syncthreads();
  }
  if (static_cast<int>(threadIdx.x) < segment.wanted) {
    const Drawn own = shared.drawn[threadIdx.x];
    int rank = 0;
    for (int other = 0; other < segment.wanted; ++other) {
      const float score = shared.drawn[other].score;
      const bool earlier = other < static_cast<int>(threadIdx.x);
      rank += score > own.score || (score == own.score && earlier);
    }
    shared.ranked[rank] = own;
  }
  __syncthreads();
  if (threadIdx.x == 0) decide(tables, beams, segment, shared);
  __syncthreads();
  if (shared.over != 0) return;
  move_history(tables, beams, segment, shared);
  // After the prefix every beam has the same past.
  if (step > 0 && tables.owner != nullptr) reorder_segment(tables, slot, shared.parents);
}

}  // namespace

cudaError_t choose_codes(const DecodeTables& tables, const BeamTables& beams, int segments,
                         bool overlap, cudaStream_t on) {
  if (beams.vocabulary < kMinVocabulary || beams.vocabulary > kMaxVocabulary ||
      tables.max_beams < 1 || tables.max_beams > kMaxBeams) {
    return cudaErrorInvalidValue;
  }
  if (segments == 0) return cudaSuccess;
  const unsigned blocks = static_cast<unsigned>(segments);
  if (overlap) return launch_dependent(choose, blocks, kThreads, 0, on, tables, beams);
  choose<<<blocks, kThreads, 0, on>>>(tables, beams);
  return cudaGetLastError();
}

}  // namespace indextts2
