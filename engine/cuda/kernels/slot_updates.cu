// What the host changes on the device between steps.
#include "cuda/kernels/slot_updates.h"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;

__global__ void open(DecodeTables tables, BeamTables beams, int slot, int prefix,
                     BeamSettings settings) {
  const size_t owners =
      static_cast<size_t>(tables.max_beams) * tables.max_pages * kPageKeys;  // a multiple of 16
  uint4* owner = reinterpret_cast<uint4*>(tables.owner + slot * owners);
  const size_t step = static_cast<size_t>(gridDim.x) * kThreads;
  for (size_t i = blockIdx.x * static_cast<size_t>(kThreads) + threadIdx.x;
       i < owners / sizeof(uint4); i += step) {
    owner[i] = make_uint4(0, 0, 0, 0);
  }
  if (blockIdx.x != 0 || threadIdx.x != 0) return;
  const_cast<BeamSettings*>(beams.settings)[slot] = settings;
  const_cast<int32_t*>(tables.beams)[slot] = settings.beams;
  const_cast<int32_t*>(tables.prefix)[slot] = prefix;
  tables.length[slot] = prefix;
  tables.steps[slot] = 0;
  tables.done[slot] = 0;
  beams.finished_count[slot] = 0;
  beams.stopped[slot] = 0;
  beams.failure[slot] = 0;
}

__global__ void write_pages(DecodeTables tables, PageList list) {
  const int i = threadIdx.x;
  if (i < list.count) const_cast<void**>(tables.pages)[list.place[i]] = list.page[i];
}

__global__ void write_segments(int32_t* segments, SegmentList list) {
  const int i = threadIdx.x;
  if (i < list.count) segments[i] = list.slot[i];
}

}  // namespace

cudaError_t open_slot(const DecodeTables& tables, const BeamTables& beams, int slot, int prefix,
                      const BeamSettings& settings, cudaStream_t on) {
  open<<<8, kThreads, 0, on>>>(tables, beams, slot, prefix, settings);
  return cudaGetLastError();
}

cudaError_t set_pages(const DecodeTables& tables, const PageList& list, cudaStream_t on) {
  static_assert(PageList::kMost <= kThreads, "one thread writes one page");
  if (list.count < 0 || list.count > PageList::kMost) return cudaErrorInvalidValue;
  write_pages<<<1, kThreads, 0, on>>>(tables, list);
  return cudaGetLastError();
}

cudaError_t set_segments(int32_t* segments, const SegmentList& list, cudaStream_t on) {
  static_assert(SegmentList::kMost <= kThreads, "one thread writes one segment");
  if (list.count < 0 || list.count > SegmentList::kMost) return cudaErrorInvalidValue;
  write_segments<<<1, kThreads, 0, on>>>(segments, list);
  return cudaGetLastError();
}

}  // namespace indextts2
