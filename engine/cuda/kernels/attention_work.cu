// What the beams of each segment read in a step: one block of threads lists one segment.
#include "cuda/kernels/attention_work.h"
#include "cuda/kernels/dependent_launch.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kPositions = 4;  // of a thread: their owners are one word for each beam

// Sum of `count` over the threads before this one; `total` of all. `sums`: [kWarps] shared.
__device__ int exclusive_sum(int count, int* sums, int* total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int sum = count;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int before = __shfl_up_sync(~0u, sum, distance);
    if (lane >= distance) sum += before;
  }
  if (lane == 31) sums[warp] = sum;
  __syncthreads();
  int ahead = 0, all = 0;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) {
    if (i < warp) ahead += sums[i];
    all += sums[i];
  }
  __syncthreads();  // before the next use of sums
  *total = all;
  return ahead + sum - count;
}

struct Segment {
  int beams, prefix, length;
  __device__ uint32_t everyone() const { return (1u << beams) - 1; }
};

// Bit o is set where beam o owns a key of the position; owners: byte `index` of each beam's word.
__device__ uint32_t owners_at(const uint32_t (&words)[kMaxBeams], const Segment& segment,
                              int position, int index) {
  if (position > segment.length) return 0;
  if (position < segment.prefix) return 1;
  if (position == segment.length) return segment.everyone();
  uint32_t owners = 0;
#pragma unroll
  for (int b = 0; b < kMaxBeams; ++b) {
    if (b < segment.beams) owners |= 1u << (words[b] >> 8 * index & 255);
  }
  return owners;
}

__device__ uint32_t readers_of(uint32_t owner, const uint32_t (&words)[kMaxBeams],
                               const Segment& segment, int position, int index) {
  if (position < segment.prefix) return segment.everyone();
  if (position == segment.length) return 1u << owner;
  uint32_t readers = 0;
#pragma unroll
  for (int b = 0; b < kMaxBeams; ++b) {
    if (b < segment.beams && (words[b] >> 8 * index & 255) == owner) readers |= 1u << b;
  }
  return readers;
}

__global__ void __launch_bounds__(kThreads) list_segment(DecodeTables tables, AttentionWork work) {
  __shared__ int sums[kWarps];
  wait_for_predecessors();
  let_dependents_start();
  const int slot = tables.segments[blockIdx.x];
  if (slot < 0 || tables.done[slot] != 0) {
    if (threadIdx.x == 0) work.counts[blockIdx.x] = 0;
    return;
  }
  const Segment segment{tables.beams[slot], tables.prefix[slot], tables.length[slot]};
  const size_t row = static_cast<size_t>(tables.max_pages) * kPageKeys;
  const uint8_t* owner = tables.owner + slot * tables.max_beams * row;
  uint32_t* entries =
      work.entries + blockIdx.x * attention_entries(tables.max_pages, tables.max_beams);
  int listed = 0;
  for (int first = 0; first <= segment.length; first += kThreads * kPositions) {
    const int position = first + static_cast<int>(threadIdx.x) * kPositions;
    const bool owned = position + kPositions > segment.prefix && position < segment.length;
    uint32_t words[kMaxBeams];
#pragma unroll
    for (int b = 0; b < kMaxBeams; ++b) {
      words[b] = 0;
      if (owned && b < segment.beams) {
        words[b] = *reinterpret_cast<const uint32_t*>(owner + b * row + position);
      }
    }
    uint32_t owners[kPositions];
    int count = 0, total = 0;
#pragma unroll
    for (int i = 0; i < kPositions; ++i) {
      owners[i] = owners_at(words, segment, position + i, i);
      count += __popc(owners[i]);
    }
    uint32_t* out = entries + listed + exclusive_sum(count, sums, &total);
#pragma unroll
    for (int i = 0; i < kPositions; ++i) {
      for (uint32_t left = owners[i]; left != 0; left &= left - 1) {
        const uint32_t o = __ffs(static_cast<int>(left)) - 1;
        *out++ = attention_entry(position + i, o, readers_of(o, words, segment, position + i, i));
      }
    }
    listed += total;
  }
  if (threadIdx.x == 0) work.counts[blockIdx.x] = listed;
}

}  // namespace

cudaError_t list_attention_work(const DecodeTables& tables, const AttentionWork& work, int segments,
                                bool overlap, cudaStream_t stream) {
  if (segments == 0) return cudaSuccess;
  if (segments < 0 || segments > kMaxSegments || tables.max_beams < 1 ||
      tables.max_beams > kMaxBeams || tables.max_pages < 1 ||
      tables.max_pages > kMaxPositions / kPageKeys) {
    return cudaErrorInvalidValue;
  }
  if (overlap) return launch_dependent(list_segment, segments, kThreads, 0, stream, tables, work);
  list_segment<<<segments, kThreads, 0, stream>>>(tables, work);
  return cudaGetLastError();
}

}  // namespace indextts2
