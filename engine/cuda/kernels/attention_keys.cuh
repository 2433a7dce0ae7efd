// Where the keys of a chunk are, and how they come to shared memory. Of paged_attention.cu.
#pragma once

#include <cuda_runtime.h>

#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/element_values.cuh"
#include "cuda/kernels/paged_attention.h"

namespace indextts2 {
namespace paged {

constexpr int kD = kAttentionHeadSize;
// Warps over which the chunks of a segment and head are dealt out, in turn.
constexpr int kStrands = 8;
constexpr unsigned kAllLanes = ~0u;

// Keys of a chunk: with their values 4 KiB.
constexpr int kChunkBytes = 4096;
template <typename T>
constexpr int kChunk = kChunkBytes / (2 * kD * sizeof(T));
template <typename T>
constexpr int kPieces = kD * sizeof(T) / 16;  // 16-byte pieces of a key

// A chunk in shared memory: piece i of row r is at r * pieces + (i ^ r % 8), which keeps rows as
// well as columns of pieces free of conflicts between banks.
struct Stage {
  uint4 rows[kChunkBytes / 16];  // keys, then values
  uint32_t readers[16];
};

// What the blocks of a segment and head work on.
struct Unit {
  int segment, head;
  int entries;  // 0: nothing to do
  int slot, beams, length;
};

// One key or one value, of one lane: rows 0 .. kChunk - 1 are the chunk's keys, then its values.
struct Row {
  char* page = nullptr;  // its place in a page; null: none, reads as zeros
  uint32_t entry = 0;
  bool fresh = false;  // of the new position: still in qkv
};

template <typename P>
__device__ inline P* of_lane(P* address, int lane) {
  return reinterpret_cast<P*>(
      __shfl_sync(kAllLanes, reinterpret_cast<unsigned long long>(address), lane));
}

// This lane's row of a chunk.
template <typename T>
__device__ inline int own_row() {
  return static_cast<int>(threadIdx.x) % 32 % (2 * kChunk<T>);
}

// The entry of this lane's row in `chunk`, also where there is none.
template <typename T>
__device__ inline uint32_t load_entry(const PagedAttention& a, const Unit& unit, int chunk) {
  const size_t room = attention_entries(a.tables.max_pages, a.tables.max_beams);
  const int index = chunk * kChunk<T> + own_row<T>() % kChunk<T>;
  return index < static_cast<int>(room) ? a.work.entries[unit.segment * room + index] : 0;
}

template <typename T>
__device__ inline Row find_row(const PagedAttention& a, const Unit& unit, int chunk,
                               uint32_t entry) {
  Row row;
  const int own = own_row<T>();
  if (chunk * kChunk<T> + own % kChunk<T> >= unit.entries) return row;
  const int position = static_cast<int>(entry_position(entry));
  const int page =
      (unit.slot * a.tables.max_beams + static_cast<int>(entry_owner(entry))) * a.tables.max_pages +
      position / kPageKeys;
  const size_t place =
      static_cast<size_t>((a.layer * 2 + own / kChunk<T>)*a.heads + unit.head) * kPageKeys +
      position % kPageKeys;
  row.page = static_cast<char*>(a.tables.pages[page]) + place * (kD * sizeof(T));
  row.entry = entry;
  row.fresh = position == unit.length;
  return row;
}

template <typename T>
__device__ inline const char* fresh_row(const PagedAttention& a, const Unit& unit, const Row& row) {
  const size_t width = static_cast<size_t>(a.heads) * kD;
  const size_t beam =
      static_cast<size_t>(unit.segment) * a.tables.max_beams + entry_owner(row.entry);
  return static_cast<const char*>(a.qkv) +
         ((beam * 3 + 1 + own_row<T>() / kChunk<T>)*width + unit.head * kD) * sizeof(T);
}

// Copies of the rows of the lanes that are `wanted`. By whole warps.
template <typename T>
__device__ inline void fetch_rows(const PagedAttention& a, const Unit& unit, const Row& row,
                                  bool wanted, Stage* stage) {
  constexpr int P = kPieces<T>;
  const int lane = threadIdx.x % 32, piece = lane % P;
  const unsigned rows = __ballot_sync(kAllLanes, wanted);
  const unsigned there = __ballot_sync(kAllLanes, row.page != nullptr);
  const char* own = row.page != nullptr ? row.page : static_cast<const char*>(a.qkv);
  if (row.fresh) own = fresh_row<T>(a, unit, row);
#pragma unroll
  for (int i = 0; i < kChunkBytes / 16 / 32; ++i) {
    const int r = i * (32 / P) + lane / P;
    const char* from = of_lane(own, r) + piece * 16;
    if (rows >> r & 1)
      copy16(shared_address(&stage->rows[r * P + (piece ^ r % 8)]), from, there >> r & 1);
  }
  if (lane < kChunk<T>) stage->readers[lane] = row.page != nullptr ? entry_readers(row.entry) : 0;
}

// Puts the new keys and values of a chunk that has arrived into their pages. By whole warps.
template <typename T>
__device__ inline void append_fresh(const Row& row, const Stage& stage) {
  constexpr int P = kPieces<T>;
  const int lane = threadIdx.x % 32;
  const unsigned fresh = __ballot_sync(kAllLanes, row.fresh && lane < 2 * kChunk<T>);
  for (unsigned left = fresh; left != 0; left &= left - 1) {
    const int r = __ffs(static_cast<int>(left)) - 1;
    char* to = of_lane(row.page, r);
    if (lane < P) reinterpret_cast<uint4*>(to)[lane] = stage.rows[r * P + (lane ^ r % 8)];
  }
}

}  // namespace paged
}  // namespace indextts2
