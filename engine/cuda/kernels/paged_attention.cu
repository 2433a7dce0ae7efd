// Attention of the decode step for one layer. The chunks of a segment and head are dealt out to
// kStrands warps, which sum theirs independently and are merged in their order. Few segments: the
// warps are those of a cluster of blocks, on several processors; many: those of one block.
#include "cuda/kernels/attention_keys.cuh"
#include "cuda/kernels/attention_sums.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/paged_attention.h"

namespace indextts2 {
namespace {

using namespace paged;

// Stages of a warp. Where it has a processor to itself it reads far ahead: most of its chunks are
// there when the queries are.
constexpr int kFewStages = 3, kManyStages = 8;

// Heads of all segments, times this, that are split where as many blocks run at once. Steps on an
// H100 (264 blocks, 20 heads): 1 and 2 segments 0.670 and 0.746 ms split in eight, 0.718 and 0.756
// in four and two; 4 and 8 segments 0.920 and 1.045 ms split in four and two, 0.809 and 1.002
// whole.
constexpr int kBlocksPerHead = 6, kBlocksPerProcessor = 2;

template <int kStages, int N>
union Warp {
  Stage stages[kStages];
  Partial<N> partial;  // in place of the chunks that are summed
};

template <typename T>
__device__ void write_out(const PagedAttention& a, const Unit& unit, int beam, int dim, float x) {
  const size_t row = static_cast<size_t>(unit.segment) * a.tables.max_beams + beam;
  static_cast<T*>(a.out)[(row * a.heads + unit.head) * kD + dim] = from_float<T>(x);
}

__device__ inline void meet_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

// The same address in the shared memory of block `rank` of the cluster.
__device__ inline uint32_t shared_of(const void* own, unsigned rank) {
  uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(own));
#if __CUDA_ARCH__ >= 900
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at) : "r"(at), "r"(rank));
#endif
  return at;
}

__device__ inline float read_shared(uint32_t at) {
  float x = 0.0f;
#if __CUDA_ARCH__ >= 900
  asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(x) : "r"(at) : "memory");
#else
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(at) : "memory");
#endif
  return x;
}

// What all warps of the cluster have left, in their order, to the output.
template <typename T, int kStages, int N>
__device__ void merge_strands(const PagedAttention& a, const Unit& unit,
                              const Warp<kStages, N>* warps, int split) {
  const int rank = static_cast<int>(blockIdx.x) % split;
  const int own = kStrands / split;
  for (int e = rank * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
       e < unit.beams * kD; e += kStrands * 32) {
    const int b = e / kD;
    float tops[kStrands], totals[kStrands], sums[kStrands];
#pragma unroll
    for (int s = 0; s < kStrands; ++s) {
      const Partial<N>& partial = warps[s % own].partial;
      const unsigned block = s / own;
      tops[s] = read_shared(shared_of(&partial.totals[b].x, block));
      totals[s] = read_shared(shared_of(&partial.totals[b].y, block));
      sums[s] = read_shared(shared_of(&partial.sums[b][e % kD], block));
    }
    float top = -INFINITY;
#pragma unroll
    for (int s = 0; s < kStrands; ++s) top = fmaxf(top, tops[s]);
    float total = 0.0f, sum = 0.0f;
#pragma unroll
    for (int s = 0; s < kStrands; ++s) {
      const float scale = exp2f(tops[s] - base_of(top));
      total = fmaf(totals[s], scale, total);
      sum = fmaf(sums[s], scale, sum);
    }
    write_out<T>(a, unit, b, e % kD, sum / total);
  }
}

// Strand `strand` of the unit: every kStrands-th chunk from `strand` on. The new position's keys
// are so few that a strand has them in its last chunk only.
template <typename T, int kStages, int N>
__device__ void sum_strand(const PagedAttention& a, const Unit& unit, int strand,
                           uint32_t first_entry, Sums<T, N>& sums, Stage* stages) {
  static_assert(kMaxBeams <= (kStrands - 1) * kChunk<T>, "one chunk of a strand has new keys");
  const int chunks = (unit.entries + kChunk<T> - 1) / kChunk<T>;
  uint32_t entry = first_entry;
  int ahead = strand;  // the chunk that is fetched next
  Row row = find_row<T>(a, unit, ahead, entry), last;
  int last_stage = 0;
#pragma unroll
  for (int i = 0; i < kStages - 1; ++i) {
    entry = load_entry<T>(a, unit, ahead + kStrands);
    fetch_rows<T>(a, unit, row, !row.fresh, &stages[i]);
    copies_commit();
    if (__any_sync(kAllLanes, row.fresh)) last = row, last_stage = i;
    ahead += kStrands;
    row = find_row<T>(a, unit, ahead, entry);
  }
  wait_for_predecessors();
  sums.load_queries(a, unit);
  if (__any_sync(kAllLanes, last.fresh)) {
    fetch_rows<T>(a, unit, last, last.fresh, &stages[last_stage]);
  }
  copies_commit();
  int stage = 0;
  for (int chunk = strand; chunk < chunks; chunk += kStrands) {
    const bool final = chunk + kStrands >= chunks;
    if (final) {
      copies_wait<0>();
    } else {
      copies_wait<kStages - 2>();
    }
    __syncwarp();  // all lanes' copies are there; what the last turn read may be overwritten
    entry = load_entry<T>(a, unit, ahead + kStrands);
    if (ahead < chunks) {
      fetch_rows<T>(a, unit, row, true, &stages[stage == 0 ? kStages - 1 : stage - 1]);
      if (__any_sync(kAllLanes, row.fresh)) last = row;
    }
    copies_commit();
    ahead += kStrands;
    row = find_row<T>(a, unit, ahead, entry);
    sums.add(stages[stage]);
    if (final) append_fresh<T>(last, stages[stage]);
    stage = stage + 1 == kStages ? 0 : stage + 1;
  }
  copies_wait<0>();
  __syncwarp();
}

template <typename T, int kStages, int N>
__global__ void __launch_bounds__(kStrands * 32, 2) attend(PagedAttention a, int split) {
  extern __shared__ uint4 shared_bytes[];
  auto* const warps = reinterpret_cast<Warp<kStages, N>*>(shared_bytes);
  let_dependents_start();
  const int warp = threadIdx.x / 32;
  const int block = static_cast<int>(blockIdx.x) / split;
  const int strand = static_cast<int>(blockIdx.x) % split * (kStrands / split) + warp;
  Unit unit{block / a.heads, block % a.heads, 0, 0, 0, 0};
  const uint32_t entry = load_entry<T>(a, unit, strand);
  unit.entries = a.work.counts[unit.segment];
  if (unit.entries == 0) {
    wait_for_predecessors();
    return;
  }
  unit.slot = a.tables.segments[unit.segment];
  unit.beams = a.tables.beams[unit.slot];
  unit.length = a.tables.length[unit.slot];
  Sums<T, N> sums;
  sum_strand<T, kStages, N>(a, unit, strand, entry, sums, warps[warp].stages);
  sums.store(&warps[warp].partial);
  if (split == 1) {
    __syncthreads();
  } else {
    meet_cluster();
  }
  merge_strands<T, kStages, N>(a, unit, warps, split);
  if (split > 1) meet_cluster();  // others have read what this block has left
}

struct Variant {
  void (*kernel)(PagedAttention, int);
  size_t warp_bytes;
};

template <typename T, int N>
Variant variant_of(int split) {
  if (split > 1) return {attend<T, kManyStages, N>, sizeof(Warp<kManyStages, N>)};
  return {attend<T, kFewStages, N>, sizeof(Warp<kFewStages, N>)};
}

template <typename T>
Variant variant_of(int beams, int split) {
  constexpr int kFewBeams = sizeof(T) == 4 ? 3 : 8;
  if (beams <= kFewBeams) return variant_of<T, kFewBeams>(split);
  return variant_of<T, kMaxBeams>(split);
}

Variant variant_of(ElementType type, int beams, int split) {
  if (type == ElementType::kFloat32) return variant_of<float>(beams, split);
  if (type == ElementType::kFloat16) return variant_of<__half>(beams, split);
  return variant_of<__nv_bfloat16>(beams, split);
}

cudaError_t allow_memory(const Variant& variant, int split) {
  const size_t bytes = kStrands / split * variant.warp_bytes;
  const cudaError_t status = cudaFuncSetAttribute(
      variant.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (status != cudaSuccess) return status;
  return cudaFuncSetAttribute(variant.kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                              cudaSharedmemCarveoutMaxShared);
}

}  // namespace

bool paged_attention_supports(int head_size, int beams) {
  return head_size == kAttentionHeadSize && beams >= 1 && beams <= kMaxBeams;
}

cudaError_t prepare_paged_attention(ElementType type, int beams, int32_t* blocks) {
  if (!paged_attention_supports(kAttentionHeadSize, beams)) return cudaErrorInvalidValue;
  int device = 0, processors = 0, major = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) {
    status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  }
  if (status == cudaSuccess) {
    status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  }
  cudaFuncAttributes code{};
  if (status == cudaSuccess) {
    status = cudaFuncGetAttributes(&code, variant_of(type, beams, 1).kernel);
  }
  if (status != cudaSuccess) return status;
  const bool clusters = major >= 9 && code.ptxVersion >= 90;
  for (int split : {1, kStrands}) {
    if (split == 1 || clusters) status = allow_memory(variant_of(type, beams, split), split);
    if (status != cudaSuccess) return status;
  }
  *blocks = clusters ? processors * kBlocksPerProcessor : 1;
  return cudaSuccess;
}

cudaError_t paged_attention(const PagedAttention& layer, cudaStream_t stream) {
  if (layer.segments == 0) return cudaSuccess;
  if (layer.segments < 0 || layer.segments > kMaxSegments || layer.heads < 1 || layer.layer < 0 ||
      layer.blocks < 1 || layer.tables.max_pages < 1 ||
      !paged_attention_supports(kAttentionHeadSize, layer.tables.max_beams)) {
    return cudaErrorInvalidValue;
  }
  const int units = layer.segments * layer.heads;
  const int split = units * kBlocksPerHead <= layer.blocks ? kStrands : 1;
  const Variant variant = variant_of(layer.type, layer.tables.max_beams, split);
  cudaFuncAttributes code{};
  const cudaError_t status = cudaFuncGetAttributes(&code, variant.kernel);
  if (status != cudaSuccess) return status;
  cudaLaunchAttribute attributes[2] = {};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(units * split));
  config.blockDim = dim3(static_cast<unsigned>(kStrands / split * 32));
  config.dynamicSmemBytes = kStrands / split * variant.warp_bytes;
  config.stream = stream;
  config.attrs = attributes;
  if (split > 1) {
    attributes[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attributes[config.numAttrs++].val.clusterDim = {static_cast<unsigned>(split), 1, 1};
  }
  if (layer.overlap && code.ptxVersion >= 90) {  // code for older GPUs does not wait
    attributes[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[config.numAttrs++].val.programmaticStreamSerializationAllowed = 1;
  }
  return cudaLaunchKernelEx(&config, variant.kernel, layer, split);
}

}  // namespace indextts2
