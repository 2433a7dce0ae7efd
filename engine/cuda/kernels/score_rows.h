// Logits to the tokens that may be drawn, each with its score: process_logits of ops/sampling.h,
// one block of threads a row.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/beam_tables.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

// logits [segments * B, V] float32, row = segment * B + beam; of a segment whose `steps` is 0 only
// the first row is read. Fills survivors (by falling score) and survivor_count of the rows that are
// not idle; sets `failure` of segments whose logits are NaN, infinite or all -inf.
cudaError_t score_rows(const DecodeTables& tables, const BeamTables& beams, const float* logits,
                       int segments, cudaStream_t on);

}  // namespace indextts2
