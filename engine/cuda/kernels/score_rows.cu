// Logits to the tokens that may be drawn: process_logits of ops/sampling.h on the device.
//
// The row stays in shared memory. Up to kFastTopK tokens are selected without sorting the row: each
// warp's best score is known, so the k-th best of those is a bound that at least k tokens reach,
// and few others do; these are ranked by counting. Everything else sorts the whole row.
#include "cuda/kernels/block_math.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_sort.cuh"
#include "cuda/kernels/score_rows.h"

namespace indextts2 {
namespace {

constexpr int kWarps = kRowThreads / 32;
constexpr int kFastTopK = 32;     // at most kWarps
constexpr int kCandidates = 512;  // tokens at the bound or above that the fast way can rank
constexpr int kMaxWords = (kMaxVocabulary + 31) / 32;

struct Shared {
  float maxima[3][kWarps];
  double sums[6][kWarps];
  float bound;
  int count, last, removed;
  uint32_t history[kMaxWords];
  ScoredToken candidates[kCandidates], sorted[kCandidates];
  float shares[kCandidates];
};

// What one block works on.
struct Row {
  const BeamSettings& settings;
  float* scores;     // [vocabulary] shared memory; thread t owns t, t + kRowThreads, ...
  uint16_t* order;   // [vocabulary] shared memory
  ScoredToken* out;  // [vocabulary]
  int32_t* out_count;
  int32_t* failure;
  int vocabulary, min_keep;
};

__device__ void fail(const Row& row, BeamFailure why) {
  if (threadIdx.x == 0) {
    *row.out_count = 0;
    atomicMax(row.failure, static_cast<int32_t>(why));
  }
}

// The ids that the penalty sees.
__device__ void load_history(const DecodeTables& tables, const BeamTables& beams, const Row& row,
                             int slot, int beam, Shared& shared) {
  const int words = (row.vocabulary + 31) / 32;
  const uint32_t* own =
      beams.history + (static_cast<size_t>(slot) * tables.max_beams + beam) * words;
  const bool first = tables.steps[slot] == 0;
  for (int w = threadIdx.x; w < words; w += kRowThreads) {
    uint32_t bits = first ? 0 : own[w];
    if (first && w == row.settings.start_token / 32) bits |= 1u << row.settings.start_token % 32;
    if (first && w == 0) bits |= 2;  // the fake id of the prefix
    shared.history[w] = bits;
  }
}

// Reads the row; false, and the failure is set, when no softmax is defined on it.
__device__ bool load_logits(const float* __restrict__ logits, const Row& row, Shared& shared,
                            float* largest) {
  float best = -INFINITY;
  bool broken = false;
#pragma unroll 8
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    const float logit = logits[i];
    row.scores[i] = logit;
    broken |= !(logit < INFINITY);
    best = fmaxf(best, logit);
  }
  *largest = block_max<kWarps>(best, shared.maxima[0]);
  if (__syncthreads_or(broken)) {
    fail(row, BeamFailure::kBroken);
    return false;
  }
  if (*largest == -INFINITY) {
    fail(row, BeamFailure::kNoToken);
    return false;
  }
  return true;
}

__device__ float log_of_sum(const Row& row, float largest, double* partial) {
  double sum = 0;
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    sum += rounded_exp(row.scores[i] - largest);
  }
  return static_cast<float>(log(block_sum<kWarps>(sum, partial)));
}

// log_softmax and repetition penalty.
__device__ void normalise_and_penalise(const Row& row, bool log_softmax, float largest,
                                       Shared& shared) {
  const float log_sum = log_softmax ? log_of_sum(row, largest, shared.sums[0]) : 0.0f;
  const float penalty = row.settings.repetition_penalty;
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    float score = row.scores[i];
    if (log_softmax) score = score - largest - log_sum;
    if (penalty != 1.0f && (shared.history[i >> 5] >> (i & 31) & 1) != 0) {
      score = score < 0 ? __fmul_rn(score, penalty) : __fdiv_rn(score, penalty);
    }
    row.scores[i] = score;
  }
}

// How far a token's information is from the row's entropy.
struct Distance {
  const float* scores;
  float largest, log_sum, entropy;
  __device__ float operator()(int token) const {
    return fabsf(-(scores[token] - largest - log_sum) - entropy);
  }
};

// keep_typical of ops/sampling.cpp. False: failed.
__device__ bool keep_typical(const Row& row, Shared& shared) {
  float best = -INFINITY;
  bool broken = false;
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    broken |= !(row.scores[i] < INFINITY);
    best = fmaxf(best, row.scores[i]);
  }
  Distance distance{row.scores, block_max<kWarps>(best, shared.maxima[1]), 0, 0};
  broken = __syncthreads_or(broken) != 0;
  if (broken || distance.largest == -INFINITY) {
    fail(row, broken ? BeamFailure::kBroken : BeamFailure::kNoToken);
    return false;
  }
  double sum = 0, entropy = 0;
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    sum += rounded_exp(row.scores[i] - distance.largest);
  }
  sum = block_sum<kWarps>(sum, shared.sums[1]);
  distance.log_sum = static_cast<float>(log(sum));
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    const float log_p = row.scores[i] - distance.largest - distance.log_sum;
    const float p = rounded_exp(log_p);
    if (p > 0) entropy -= static_cast<double>(log_p) * p;
  }
  distance.entropy = static_cast<float>(block_sum<kWarps>(entropy, shared.sums[2]));
  sort_row(row.order, row.vocabulary, [&](int a, int b) {
    const float da = distance(a), db = distance(b);
    return da != db ? da < db : a < b;
  });
  // The first rank at which the mass is reached.
  const int chunk = (row.vocabulary + kRowThreads - 1) / kRowThreads;
  const int from = min(row.vocabulary, static_cast<int>(threadIdx.x) * chunk);
  const int to = min(row.vocabulary, from + chunk);
  double share = 0;
  for (int rank = from; rank < to; ++rank) {
    share += rounded_exp(row.scores[row.order[rank]] - distance.largest) / sum;
  }
  if (threadIdx.x == 0) shared.last = row.vocabulary - 1;
  double cumulative = block_sum_before<kWarps>(share, shared.sums[3]);
  const float mass = static_cast<float>(row.settings.typical_mass);
  for (int rank = from; rank < to; ++rank) {
    cumulative += rounded_exp(row.scores[row.order[rank]] - distance.largest) / sum;
    if (static_cast<float>(cumulative) < mass) continue;
    atomicMin(&shared.last, rank);
    break;
  }
  __syncthreads();
  const float limit = distance(row.order[shared.last]);
  __syncthreads();
  const int kept = row.min_keep > 1 ? row.min_keep : 0;
  for (int rank = threadIdx.x; rank < row.vocabulary; rank += kRowThreads) {
    const int token = row.order[rank];
    if (rank >= kept && distance(token) > limit) row.scores[token] = -INFINITY;
  }
  __syncthreads();
  return true;
}

// Divides by the temperature; the thread's own largest score.
__device__ float apply_temperature(const Row& row) {
  const float temperature = row.settings.temperature;
  float best = -INFINITY;
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    float score = row.scores[i];
    if (temperature != 1.0f) score = __fdiv_rn(score, temperature);
    row.scores[i] = score;
    best = fmaxf(best, score);
  }
  return best;
}

__device__ bool better(const ScoredToken& a, const ScoredToken& b) {
  return a.score != b.score ? a.score > b.score : a.token > b.token;
}

// The best `k` and their ties, by falling score, in shared.sorted. `best`: the thread's largest
// score. Returns how many; -1 when they are too many for this way.
__device__ int select_few(const Row& row, int k, float best, Shared& shared) {
  const int lane = threadIdx.x & 31;
  best = warp_max(best);
  if (lane == 0) shared.maxima[2][threadIdx.x >> 5] = best;
  if (threadIdx.x == 0) shared.count = 0;
  __syncthreads();
  if (threadIdx.x < 32) {
    const float own = lane < kWarps ? shared.maxima[2][lane] : -INFINITY;
    int reached = 0;
    for (int w = 0; w < kWarps; ++w) reached += __shfl_sync(kAllLanes, own, w) >= own;
    const float bound = warp_max(reached >= k ? own : -INFINITY);
    if (lane == 0) shared.bound = bound;
  }
  __syncthreads();
  const float bound = shared.bound;
  for (int i = threadIdx.x; i < row.vocabulary; i += kRowThreads) {
    const float score = row.scores[i];
    if (!(score >= bound && score > -INFINITY)) continue;
    const int place = atomicAdd(&shared.count, 1);
    if (place < kCandidates) shared.candidates[place] = {i, score};
  }
  __syncthreads();
  const int count = shared.count;
  if (count > kCandidates) return -1;
  // `group` threads share the counting for one candidate.
  const int group = count <= kRowThreads / 8 ? 8 : kRowThreads / kCandidates;
  const int own = threadIdx.x / group;
  const ScoredToken token = own < count ? shared.candidates[own] : ScoredToken{-1, -INFINITY};
  int greater = 0, ahead = 0;
  for (int other = threadIdx.x % group; other < count; other += group) {
    greater += shared.candidates[other].score > token.score;
    ahead += better(shared.candidates[other], token);
  }
  for (int o = group / 2; o > 0; o >>= 1) {
    greater += __shfl_xor_sync(kAllLanes, greater, o);
    ahead += __shfl_xor_sync(kAllLanes, ahead, o);
  }
  const bool stays = own < count && threadIdx.x % group == 0 && greater < k;
  if (stays) shared.sorted[ahead] = token;
  return __syncthreads_count(stays);
}

// Top p over the `count` tokens of shared.sorted, in one warp; writes what is left.
__device__ void write_few(const Row& row, int count, Shared& shared) {
  if (threadIdx.x >= 32) return;
  const int lane = threadIdx.x;
  int keep = count;
  if (row.settings.top_p < 1.0 && count > row.min_keep) {
    const float largest = shared.sorted[0].score;
    double total = 0;
    for (int i = lane; i < count; i += 32) {
      shared.shares[i] = rounded_exp(shared.sorted[i].score - largest);
      total += shared.shares[i];
    }
    total = warp_sum(total);
    __syncwarp();
    const float limit = static_cast<float>(1.0 - row.settings.top_p);
    double before = 0;
    for (int end = count; end > 0; end -= 32) {
      const int i = end - 1 - lane;
      const double share = i >= 0 ? static_cast<float>(shared.shares[i] / total) : 0.0f;
      const double cumulative = before + warp_scan(share);
      const bool goes = i >= row.min_keep && static_cast<float>(cumulative) <= limit;
      const int gone = __popc(__ballot_sync(kAllLanes, goes));
      keep -= gone;
      if (gone < 32) break;
      before = __shfl_sync(kAllLanes, cumulative, 31);
    }
  }
  for (int i = lane; i < keep; i += 32) row.out[i] = shared.sorted[i];
  if (lane == 0) *row.out_count = keep;
}

// How many of the `count` best of row.order top p removes.
__device__ int count_unlikely(const Row& row, int count, Shared& shared) {
  const float largest = row.scores[row.order[0]];
  double total = 0;
  for (int i = threadIdx.x; i < count; i += kRowThreads) {
    total += rounded_exp(row.scores[row.order[i]] - largest);
  }
  total = block_sum<kWarps>(total, shared.sums[4]);
  const auto share_of = [&](int i) {
    return static_cast<float>(rounded_exp(row.scores[row.order[i]] - largest) / total);
  };
  // Threads take the tokens from the last one on.
  const int chunk = (count + kRowThreads - 1) / kRowThreads;
  const int from = min(count, static_cast<int>(threadIdx.x) * chunk);
  const int to = min(count, from + chunk);
  double share = 0;
  for (int i = from; i < to; ++i) share += share_of(count - 1 - i);
  if (threadIdx.x == 0) shared.removed = 0;
  double cumulative = block_sum_before<kWarps>(share, shared.sums[5]);
  const float limit = static_cast<float>(1.0 - row.settings.top_p);
  int gone = 0;
  for (int i = from; i < to; ++i) {
    cumulative += share_of(count - 1 - i);
    if (count - 1 - i < row.min_keep || !(static_cast<float>(cumulative) <= limit)) break;
    ++gone;
  }
  if (gone > 0) atomicAdd(&shared.removed, gone);
  __syncthreads();
  return shared.removed;
}

// Top k (0: off) and top p by sorting the row.
__device__ void select_sorted(const Row& row, int k, Shared& shared) {
  __syncthreads();
  sort_row(row.order, row.vocabulary, [&](int a, int b) {
    return better({a, row.scores[a]}, {b, row.scores[b]});
  });
  const bool cut = k > 0 && k < row.vocabulary;
  const float lowest = cut ? row.scores[row.order[k - 1]] : -INFINITY;
  int count = 0;
  for (int from = 0; from < row.vocabulary; from += kRowThreads) {
    const int i = from + threadIdx.x;
    const float score = i < row.vocabulary ? row.scores[i] : -INFINITY;
    count += __syncthreads_count(score >= lowest && score > -INFINITY);
  }
  if (count == 0) {
    fail(row, BeamFailure::kNoToken);
    return;
  }
  if (row.settings.top_p < 1.0 && count > row.min_keep) {
    count -= count_unlikely(row, count, shared);
  }
  for (int i = threadIdx.x; i < count; i += kRowThreads) {
    row.out[i] = {row.order[i], row.scores[row.order[i]]};
  }
  if (threadIdx.x == 0) *row.out_count = count;
}

__global__ void __launch_bounds__(kRowThreads)
    score(DecodeTables tables, BeamTables beams, const float* __restrict__ logits) {
  extern __shared__ float dynamic[];
  __shared__ Shared shared;
  const int segment = blockIdx.x / tables.max_beams, beam = blockIdx.x % tables.max_beams;
  let_dependents_start();
  const int slot = tables.segments[segment];
  const bool idle = slot < 0 || tables.done[slot] != 0 || beam >= beams.settings[slot].beams ||
                    (beam > 0 && tables.steps[slot] == 0);
  if (idle) {
    wait_for_predecessors();
    return;
  }
  const BeamSettings& settings = beams.settings[slot];
  const int vocabulary = beams.vocabulary;
  const bool single = settings.beams == 1;
  const size_t first = static_cast<size_t>(blockIdx.x) * vocabulary;
  const Row row{settings,
                dynamic,
                reinterpret_cast<uint16_t*>(dynamic + vocabulary),
                beams.survivors + first,
                beams.survivor_count + blockIdx.x,
                beams.failure + slot,
                vocabulary,
                single ? 1 : 2};
  load_history(tables, beams, row, slot, beam, shared);
  wait_for_predecessors();
  float largest;
  if (!load_logits(logits + first, row, shared, &largest)) return;
  normalise_and_penalise(row, !single, largest, shared);
  if (settings.typical_sampling != 0 && !keep_typical(row, shared)) return;
  const float best = apply_temperature(row);
  if (__syncthreads_or(best == INFINITY)) {
    fail(row, BeamFailure::kBroken);
    return;
  }
  const int k = settings.top_k > 0 ? max(settings.top_k, row.min_keep) : 0;
  const int few = k > 0 && k <= kFastTopK ? select_few(row, k, best, shared) : -1;
  if (few == 0) {
    fail(row, BeamFailure::kNoToken);
  } else if (few > 0) {
    write_few(row, few, shared);
  } else {
    select_sorted(row, k, shared);
  }
}

}  // namespace

cudaError_t score_rows(const DecodeTables& tables, const BeamTables& beams, const float* logits,
                       int segments, bool overlap, cudaStream_t on) {
  if (beams.vocabulary < kMinVocabulary || beams.vocabulary > kMaxVocabulary) {
    return cudaErrorInvalidValue;
  }
  if (segments == 0) return cudaSuccess;
  const size_t bytes = static_cast<size_t>(beams.vocabulary) * (sizeof(float) + sizeof(uint16_t));
  const cudaError_t status = cudaFuncSetAttribute(
      score, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (status != cudaSuccess) return status;
  const unsigned rows = static_cast<unsigned>(segments * tables.max_beams);
  if (overlap) {
    return launch_dependent(score, rows, kRowThreads, bytes, on, tables, beams, logits);
  }
  score<<<rows, kRowThreads, bytes, on>>>(tables, beams, logits);
  return cudaGetLastError();
}

}  // namespace indextts2
