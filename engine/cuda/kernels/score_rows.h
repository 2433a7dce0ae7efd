// Logits to the tokens that may be drawn, each with its score: process_logits of ops/sampling.h,
// one block of threads a row.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/beam_tables.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// logits [segments * B, V] float32, row = segment * B + beam; of a segment whose `steps` is 0 only
// the first row is read. Fills survivors (by falling score) and survivor_count of the rows that are
// not idle; sets `failure` of segments whose logits are NaN, infinite or all -inf. `overlap`:
// starts while the kernel ahead of it still runs (dependent_launch.cuh), which may write the logits
// only: the tables must be complete by then.
cudaError_t score_rows(const DecodeTables& tables, const BeamTables& beams, const float* logits,
                       int segments, bool overlap, cudaStream_t on);

}  // namespace indextts2
