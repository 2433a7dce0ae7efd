// What the host changes on the device between steps: small values that travel as arguments of
// kernels, so that nothing waits and no buffer must outlive the call.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/beam_tables.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// A search that has not begun in `slot`: its options, a prefix of `prefix` positions, nothing
// chosen, nobody's past.
cudaError_t open_slot(const DecodeTables& tables, const BeamTables& beams, int slot, int prefix,
                      const BeamSettings& settings, cudaStream_t on);

// Pages of the table: `place` counts [slots][B][max_pages].
struct PageList {
  static constexpr int kMost = 200;
  int32_t count = 0;
  int32_t place[kMost];
  void* page[kMost];
};
cudaError_t set_pages(const DecodeTables& tables, const PageList& list, cudaStream_t on);

// Slots of the step's segments, -1: nobody.
struct SegmentList {
  static constexpr int kMost = 256;
  int32_t count = 0;
  int32_t slot[kMost];
};
cudaError_t set_segments(int32_t* segments, const SegmentList& list, cudaStream_t on);

}  // namespace indextts2
