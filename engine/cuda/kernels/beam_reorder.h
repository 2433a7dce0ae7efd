// The beams' pasts after a choice: who continues whom.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// For each segment of the step that is not done, with length n before the call:
//   owner[b][p] = the old owner[parents[b]][p] for prefix <= p < n
//   owner[b][n] = parents[b]: each beam wrote position n into its own page
//   length = n + 1
// parents [slots][B] on the device: the row whose past beam b continues, 0 <= parents[b] < beams.
// Rows of tables.owner beyond `beams` are left alone. A segment must have room for position n.
// Not for the choice that follows the prefix: it adds no position.
// `overlap`: as in attention_work.h. Kernels that choose may do the same inside one block of
// threads by reorder_segment of beam_reorder.cuh. cudaErrorInvalidValue: more segments or beams
// than attention_work.h allows.
cudaError_t reorder_beams(const DecodeTables& tables, const int32_t* parents, int segments,
                          bool overlap, cudaStream_t stream);

}  // namespace indextts2
