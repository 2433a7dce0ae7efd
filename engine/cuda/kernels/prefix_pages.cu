// A prefix' keys and values, put into pages: 16 bytes a thread.
#include <cuda_runtime.h>

#include "cuda/kernels/prefix_pages.h"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;
constexpr int kPieceBytes = 16;

// blockIdx.y: row of [L, 2, H], the same in the source and in a page.
__global__ void __launch_bounds__(kThreads)
    copy_rows(const uint4* source, size_t source_row, void* const* pages, int positions,
              int position_pieces) {
  const int piece = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int position = piece / position_pieces;
  if (position >= positions) return;
  uint4* page = static_cast<uint4*>(pages[position / kPageKeys]);
  const size_t page_row = static_cast<size_t>(kPageKeys) * position_pieces;
  const int in_page = piece - position / kPageKeys * kPageKeys * position_pieces;
  page[blockIdx.y * page_row + in_page] = source[blockIdx.y * source_row + piece];
}

}  // namespace

cudaError_t copy_prefix(const DecodeTables& tables, int slot, const PrefixSource& source,
                        cudaStream_t stream) {
  const size_t position_bytes = source.head_size * element_bytes(source.type);
  const int64_t rows = int64_t{2} * source.layers * source.heads;
  if (source.head_size < 1 || position_bytes % kPieceBytes != 0 || rows < 1 || rows > 65535 ||
      source.positions < 0 || source.positions > source.capacity ||
      source.positions > tables.max_pages * kPageKeys) {
    return cudaErrorInvalidValue;
  }
  if (source.positions == 0) return cudaSuccess;
  const int position_pieces = static_cast<int>(position_bytes / kPieceBytes);
  const int blocks = (source.positions * position_pieces + kThreads - 1) / kThreads;
  void* const* pages = tables.pages + static_cast<size_t>(slot) * tables.max_beams *
                                          static_cast<size_t>(tables.max_pages);
  copy_rows<<<dim3(blocks, static_cast<unsigned>(rows)), kThreads, 0, stream>>>(
      static_cast<const uint4*>(source.storage),
      static_cast<size_t>(source.capacity) * position_pieces, pages, source.positions,
      position_pieces);
  return cudaGetLastError();
}

}  // namespace indextts2
