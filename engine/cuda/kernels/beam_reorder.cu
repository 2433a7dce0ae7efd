// The beams' pasts after a choice: one block of threads moves one segment.
#include "cuda/kernels/beam_reorder.cuh"
#include "cuda/kernels/beam_reorder.h"
#include "cuda/kernels/dependent_launch.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) reorder(DecodeTables tables, const int32_t* parents) {
  wait_for_predecessors();
  let_dependents_start();
  const int slot = tables.segments[blockIdx.x];
  if (slot < 0 || tables.done[slot] != 0) return;
  reorder_segment(tables, slot, parents + slot * tables.max_beams);
}

}  // namespace

cudaError_t reorder_beams(const DecodeTables& tables, const int32_t* parents, int segments,
                          bool overlap, cudaStream_t stream) {
  if (segments == 0) return cudaSuccess;
  if (segments < 0 || segments > kMaxSegments || tables.max_beams < 1 ||
      tables.max_beams > kMaxBeams) {
    return cudaErrorInvalidValue;
  }
  if (overlap) return launch_dependent(reorder, segments, kThreads, 0, stream, tables, parents);
  reorder<<<segments, kThreads, 0, stream>>>(tables, parents);
  return cudaGetLastError();
}

}  // namespace indextts2
