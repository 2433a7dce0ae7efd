// The next code of every beam: draw_candidates of ops/sampling.h and the bookkeeping of
// stages/beam_search.h, one block of threads a segment.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/beam_tables.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// Follows score_rows of the same segments. Writes tokens, parents, steps (one more), the trace and
// what the next choice needs; sets `done` where the search is over or has failed. But for the first
// choice also moves the beams' pasts as reorder_beams (beam_reorder.h) does, unless tables.owner is
// null. `overlap`: starts while score_rows, which must be the kernel ahead of it, still runs.
cudaError_t choose_codes(const DecodeTables& tables, const BeamTables& beams, int segments,
                         bool overlap, cudaStream_t on);

}  // namespace indextts2
