// Where the keys of a chunk are, and how they come to shared memory. Of paged_attention.cu.
#pragma once

#include <cuda_runtime.h>

#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/element_values.cuh"
#include "cuda/kernels/paged_attention.h"

namespace indextts2 {
namespace paged {

constexpr int kD = kAttentionHeadSize;
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * 32;
static_assert(kThreads == kChunkKeys, "a lane scores one key");
constexpr unsigned kAllLanes = ~0u;

template <typename T>
constexpr int kPieces = kD * sizeof(T) / 16;  // 16-byte pieces of a key

// Chunk `chunk` of `chunks` of a segment, for one head.
struct Item {
  int segment, head, chunk, chunks;
  int slot, beams;  // of the segment
};

// The key of one lane.
struct Key {
  const char* row = nullptr;  // null: none, reads as zeros
  char* home = nullptr;       // of a key of the new position, still in qkv: its place in the page
  uint32_t entry = 0;
};

template <typename P>
__device__ inline P* of_lane(P* address, int lane) {
  return reinterpret_cast<P*>(
      __shfl_sync(kAllLanes, reinterpret_cast<unsigned long long>(address), lane));
}

// By the first warp.
__device__ inline void count_chunks(const PagedAttention& a, int* first) {
  const int lane = threadIdx.x;
  int ahead = 0;
  if (lane == 0) first[0] = 0;
  for (int s = lane; s < a.segments + lane; s += 32) {
    int sum = s < a.segments ? (a.work.counts[s] + kChunkKeys - 1) / kChunkKeys : 0;
#pragma unroll
    for (int o = 1; o < 32; o *= 2) {
      const int before = __shfl_up_sync(kAllLanes, sum, o);
      if (lane >= o) sum += before;
    }
    if (s < a.segments) first[s + 1] = ahead + sum;
    ahead += __shfl_sync(kAllLanes, sum, 31);
  }
}

// Item `index` of the list; `from`: a segment at or before its own. By whole warps.
__device__ inline Item item_at(const PagedAttention& a, const int* first, int index, int from) {
  const int chunk = index / a.heads, lane = threadIdx.x % 32;
  int s = from, passed = 0;
  do {
    const bool before = s + lane < a.segments && first[s + lane + 1] <= chunk;
    passed = __popc(__ballot_sync(kAllLanes, before));
    s += passed;
  } while (passed == 32);
  const int slot = a.tables.segments[s];
  return {s,    index - chunk * a.heads, chunk - first[s], first[s + 1] - first[s],
          slot, a.tables.beams[slot]};
}

template <typename T>
__device__ inline char* key_in_page(const PagedAttention& a, const Item& item, uint32_t entry) {
  const int position = static_cast<int>(entry_position(entry));
  const int page =
      (item.slot * a.tables.max_beams + static_cast<int>(entry_owner(entry))) * a.tables.max_pages +
      position / kPageKeys;
  const size_t row =
      static_cast<size_t>(a.layer * 2 * a.heads + item.head) * kPageKeys + position % kPageKeys;
  return static_cast<char*>(a.tables.pages[page]) + row * (kD * sizeof(T));
}

// Bytes from a key to its value in a page.
template <typename T>
__device__ inline size_t page_stride(const PagedAttention& a) {
  return static_cast<size_t>(a.heads) * kPageKeys * kD * sizeof(T);
}

template <typename T>
__device__ inline Key find_key(const PagedAttention& a, const Item& item) {
  Key key;
  const int index = item.chunk * kChunkKeys + static_cast<int>(threadIdx.x);
  if (index >= a.work.counts[item.segment]) return key;
  key.entry =
      a.work.entries[item.segment * attention_entries(a.tables.max_pages, a.tables.max_beams) +
                     index];
  char* home = key_in_page<T>(a, item, key.entry);
  if (static_cast<int>(entry_position(key.entry)) == a.tables.length[item.slot]) {
    const size_t width = static_cast<size_t>(a.heads) * kD;
    const size_t row =
        static_cast<size_t>(item.segment) * a.tables.max_beams + entry_owner(key.entry);
    key.row =
        static_cast<const char*>(a.qkv) + (row * 3 * width + width + item.head * kD) * sizeof(T);
    key.home = home;
  } else {
    key.row = home;
  }
  return key;
}

template <typename T>
__device__ inline const char* value_row(const PagedAttention& a, const Key& key) {
  if (key.row == nullptr) return nullptr;
  return key.row +
         (key.home != nullptr ? static_cast<size_t>(a.heads) * kD * sizeof(T) : page_stride<T>(a));
}

// Copies of the warp's rows whose bit is set in `rows`; `row`: address of this lane's row.
template <typename T>
__device__ inline void fetch_rows(const PagedAttention& a, const char* row, unsigned rows,
                                  uint4* tile) {
  constexpr int P = kPieces<T>;
  const int lane = threadIdx.x % 32, piece = lane % P;
  const unsigned there = __ballot_sync(kAllLanes, row != nullptr);
  const char* readable = row != nullptr ? row : static_cast<const char*>(a.qkv);
#pragma unroll
  for (int i = 0; i < P; ++i) {
    const int r = i * (32 / P) + lane / P;
    const char* from = of_lane(readable, r) + piece * 16;
    if (rows >> r & 1) copy_async_16(&tile[r * P + (piece ^ r % 8)], from, there >> r & 1);
  }
}

template <typename T>
__device__ inline void fetch_pairs(const PagedAttention& a, const Key& key, bool wanted,
                                   uint4* keys, uint4* values) {
  const unsigned rows = __ballot_sync(kAllLanes, wanted);
  fetch_rows<T>(a, key.row, rows, keys);
  fetch_rows<T>(a, value_row<T>(a, key), rows, values);
}

// Puts the warp's new keys and values into their pages. By whole warps.
template <typename T>
__device__ inline void append_fresh(const PagedAttention& a, const Key& key) {
  constexpr int P = kPieces<T>;
  const int lane = threadIdx.x % 32;
  for (unsigned left = __ballot_sync(kAllLanes, key.home != nullptr); left != 0; left &= left - 1) {
    const int r = __ffs(static_cast<int>(left)) - 1;
    const char* from = of_lane(key.row, r);
    char* to = of_lane(key.home, r);
    if (lane >= 2 * P) continue;
    if (lane >= P) {
      from += static_cast<size_t>(a.heads) * kD * sizeof(T);
      to += page_stride<T>(a);
    }
    reinterpret_cast<uint4*>(to)[lane % P] = reinterpret_cast<const uint4*>(from)[lane % P];
  }
}

// The queries of an item, on their way to shared memory in two halves.
template <typename T, int N>
struct Queries {
  static constexpr int kCount = N * kPieces<T>;  // pieces of all beams
  static constexpr int kRounds = (kCount + kThreads - 1) / kThreads;
  uint4 raw[kRounds];

  __device__ void load(const PagedAttention& a, const Item& item) {
    const size_t width = static_cast<size_t>(a.heads) * kD;
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int piece = i * kThreads + static_cast<int>(threadIdx.x);
      const int beam = piece / kPieces<T>;
      raw[i] = make_uint4(0, 0, 0, 0);
      if (piece >= kCount || beam >= a.tables.max_beams) continue;
      const size_t row = static_cast<size_t>(item.segment) * a.tables.max_beams + beam;
      raw[i] = *reinterpret_cast<const uint4*>(static_cast<const char*>(a.qkv) +
                                               (row * 3 * width + item.head * kD) * sizeof(T) +
                                               piece % kPieces<T> * 16);
    }
  }

  __device__ void store(float (*queries)[kD]) const {
    constexpr float kScale = 0.125f * 1.4426950408889634f;  // 1 / sqrt(D) / ln(2)
    constexpr int E = 16 / sizeof(T);
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int piece = i * kThreads + static_cast<int>(threadIdx.x);
      if (piece >= kCount) continue;
      float values[E];
      unpack<T>(raw[i], values);
#pragma unroll
      for (int e = 0; e < E; ++e) (&queries[0][0])[piece * E + e] = values[e] * kScale;
    }
  }
};

}  // namespace paged
}  // namespace indextts2
