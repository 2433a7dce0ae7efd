// Attention of the decode step for one layer. Blocks of threads walk a list of items (segment,
// chunk of keys, head); the four warps of a block take 32 keys each.
#include "cuda/kernels/attention_keys.cuh"
#include "cuda/kernels/attention_sums.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/paged_attention.h"

namespace indextts2 {
namespace {

using namespace paged;

// More blocks find no more bytes in flight to add.
constexpr int kBlocksPerProcessor = 4;

template <typename T, int N>
__global__ void __launch_bounds__(kThreads, kBlocksPerProcessor) attend(PagedAttention a) {
  extern __shared__ uint4 shared_bytes[];
  Shared<T, N>& shared = *reinterpret_cast<Shared<T, N>*>(shared_bytes);
  const int warp = threadIdx.x / 32;
  uint4 *const keys = shared.keys[warp], *const values = shared.values[warp];
  if (warp == 0) count_chunks(a, shared.first);
  __syncthreads();
  const int items = shared.first[a.segments] * a.heads;
  int index = static_cast<int>(blockIdx.x);
  Item item{};
  Key key;
  if (index < items) {
    item = item_at(a, shared.first, index, 0);
    key = find_key<T>(a, item);
    fetch_pairs<T>(a, key, key.home == nullptr, keys, values);
  }
  wait_for_predecessors();
  let_dependents_start();
  if (index >= items) return;
  Queries<T, N> queries;
  queries.load(a, item);
  fetch_pairs<T>(a, key, key.home != nullptr, keys, values);
  commit_copies();
  commit_copies();  // the loop has one group open for keys, one for values
  queries.store(shared.queries);
  __syncthreads();
  while (true) {
    index += static_cast<int>(gridDim.x);
    const bool more = index < items;
    Item next{};
    Key next_key;
    if (more) {
      next = item_at(a, shared.first, index, item.segment);
      next_key = find_key<T>(a, next);
      queries.load(a, next);
    }
    append_fresh<T>(a, key);
    wait_for_copies<1>();
    __syncwarp();
    weigh_keys<T, N>(keys, shared.queries, entry_readers(key.entry), shared.sums[warp],
                     shared.totals[warp]);
    __syncwarp();  // the keys are read, the weights written
    if (more) fetch_rows<T>(a, next_key.row, kAllLanes, keys);
    commit_copies();
    wait_for_copies<1>();
    __syncwarp();
    sum_values<T, N>(values, shared.sums[warp]);
    if (more) fetch_rows<T>(a, value_row<T>(a, next_key), kAllLanes, values);
    commit_copies();
    __syncthreads();  // all sums are there, the queries are read
    if (more) queries.store(shared.queries);
    finish_chunk<T, N>(a, item, shared);
    if (!more) return;
    item = next;
    key = next_key;
  }
}

struct Variant {
  void (*kernel)(PagedAttention);
  size_t shared_bytes;
};

template <typename T>
Variant variant_of(int beams) {
  if (beams <= 3) return {attend<T, 3>, sizeof(Shared<T, 3>)};
  if (beams <= 5) return {attend<T, 5>, sizeof(Shared<T, 5>)};
  return {attend<T, kMaxBeams>, sizeof(Shared<T, kMaxBeams>)};
}

Variant variant_of(ElementType type, int beams) {
  if (type == ElementType::kFloat32) return variant_of<float>(beams);
  if (type == ElementType::kFloat16) return variant_of<__half>(beams);
  return variant_of<__nv_bfloat16>(beams);
}

}  // namespace

bool paged_attention_supports(int head_size, int beams) {
  return head_size == kAttentionHeadSize && beams >= 1 && beams <= kMaxBeams;
}

size_t paged_attention_partials(int segments, int heads, int max_pages, int max_beams) {
  return static_cast<size_t>(segments) * heads * max_pages * max_beams * max_beams * kPartialFloats;
}

cudaError_t prepare_paged_attention(ElementType type, int beams, int32_t* blocks) {
  if (!paged_attention_supports(kAttentionHeadSize, beams)) return cudaErrorInvalidValue;
  const Variant variant = variant_of(type, beams);
  int device = 0, processors = 0, resident = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) {
    status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  }
  if (status == cudaSuccess) {
    status = cudaFuncSetAttribute(variant.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(variant.shared_bytes));
  }
  if (status == cudaSuccess) {
    status = cudaFuncSetAttribute(variant.kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                  cudaSharedmemCarveoutMaxShared);
  }
  if (status == cudaSuccess) {
    status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, variant.kernel, kThreads,
                                                           variant.shared_bytes);
  }
  if (status != cudaSuccess) return status;
  if (resident == 0) return cudaErrorInvalidConfiguration;
  *blocks = processors * (resident < kBlocksPerProcessor ? resident : kBlocksPerProcessor);
  return cudaSuccess;
}

cudaError_t paged_attention(const PagedAttention& layer, cudaStream_t stream) {
  if (layer.segments == 0) return cudaSuccess;
  if (layer.segments < 0 || layer.segments > kMaxSegments || layer.heads < 1 || layer.layer < 0 ||
      layer.blocks < 1 || layer.tables.max_pages < 1 ||
      !paged_attention_supports(kAttentionHeadSize, layer.tables.max_beams)) {
    return cudaErrorInvalidValue;
  }
  const Variant variant = variant_of(layer.type, layer.tables.max_beams);
  if (layer.overlap) {
    return launch_dependent(variant.kernel, layer.blocks, kThreads, variant.shared_bytes, stream,
                            layer);
  }
  variant.kernel<<<layer.blocks, kThreads, variant.shared_bytes, stream>>>(layer);
  return cudaGetLastError();
}

}  // namespace indextts2
