// What the beams of each segment read in a step: made once, it serves the attention of every layer.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/beam_limits.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// Segments of one step, at most.
inline constexpr int kMaxSegments = 256;
// Positions that an entry can name.
inline constexpr int kMaxPositions = 1 << 18;

// One key with its value: where it is and who reads it.
//   bits 0-9: bit b is set where beam b reads it; 10-13: the beam in whose page it is; 14-31:
//   position
constexpr uint32_t attention_entry(uint32_t position, uint32_t owner, uint32_t readers) {
  return position << 14 | owner << 10 | readers;
}
constexpr uint32_t entry_position(uint32_t entry) { return entry >> 14; }
constexpr uint32_t entry_owner(uint32_t entry) { return entry >> 10 & 15; }
constexpr uint32_t entry_readers(uint32_t entry) { return entry & 1023; }

// Device memory, fixed while graphs live. Letters as in decode_tables.h.
struct AttentionWork {
  // [S][attention_entries()] each distinct (position, owner) of a segment once, by position, then
  // by owner. The last ones are those of this step's new position: one for each beam, its own.
  uint32_t* entries;
  // [S] how many of them; 0: nobody or done. counts / (length + 1) is the mean number of distinct
  // owners of a position.
  int32_t* counts;
};

// Room for the entries of one segment.
constexpr size_t attention_entries(int max_pages, int max_beams) {
  return static_cast<size_t>(max_pages) * kPageKeys * max_beams;
}

// Lists the entries of segments 0 .. `segments` - 1 of the step. Reads segments, beams, prefix,
// length, owner and done, which are those of before the step: length is the new position.
// `overlap`: starts while the kernel ahead of it in the stream still runs, and waits for it on the
// device (dependent_launch.cuh). cudaErrorInvalidValue: sizes beyond the limits above.
cudaError_t list_attention_work(const DecodeTables& tables, const AttentionWork& work, int segments,
                                bool overlap, cudaStream_t stream);

}  // namespace indextts2
