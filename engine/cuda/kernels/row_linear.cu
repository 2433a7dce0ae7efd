// Linear layers on the few rows of a decoding step: bound by reading the weights once.
//
// A block of threads makes kTileOut outputs of up to 8 * kTiles rows: two warps stand over the
// outputs, four over the slices of K. Weights go from memory straight into registers, kDepth blocks
// ahead, the first of them before the kernels that make the rows have finished. Rows go through
// shared memory.
#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_linear.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = 256;
constexpr int kTileOut = kThreads / 32 / kSlices * 16;  // outputs of a block of threads
constexpr int kRowBytes = kSlices * kBlockBytes;        // of a row in a stage
constexpr int kStageBudget = 96 * 1024;  // two blocks of threads share a multiprocessor
constexpr int kSumPitch = kTileOut + 4;  // writes of a warp fall into different banks

using Arguments = RowLinearArguments;

template <int kTiles>
struct Stages {
  static constexpr int kBytes = kTiles * 8 * kRowBytes;
  static constexpr int kCount = kStageBudget / kBytes > 40 ? 40 : kStageBudget / kBytes;
};

// Where 16 bytes of a row are kept: the halves of odd rows change places, so that a warp's reads
// fall into different banks.
__device__ __forceinline__ int place(int row, int byte) {
  return row * kRowBytes + (byte ^ ((row & 1) * 64));
}

// The slices of a block of threads: the same in all threads.
struct Slices {
  int begin[kSlices + 1];
  int steps = 0;  // of the longest
  __device__ __forceinline__ Slices(const Arguments& a) {
#pragma unroll
    for (int s = 0; s <= kSlices; ++s) {
      begin[s] = slice_begin(blockIdx.y * kSlices + s, a.blocks, a.slices);
      if (s > 0) steps = max(steps, begin[s] - begin[s - 1]);
    }
  }
};

// Starts copying the rows' blocks number `step` of all slices; one group of copies.
struct RowCopier {
  const char* from;  // of this thread's first row
  size_t row_bytes;
  int steps;  // of this thread's slice
  int rows, row, byte;
  __device__ __forceinline__ RowCopier(const Arguments& a, const Slices& slices, int first_row,
                                       int count)
      : row_bytes(static_cast<size_t>(a.blocks) * kBlockBytes), rows(count) {
    constexpr int kChunks = kRowBytes / 16;
    const int chunk = threadIdx.x % kChunks, slice = chunk / (kBlockBytes / 16);
    row = threadIdx.x / kChunks;
    byte = chunk * 16;
    int begin = slices.begin[0], end = slices.begin[1];
#pragma unroll
    for (int s = 1; s < kSlices; ++s) {
      if (slice == s) {
        begin = slices.begin[s];
        end = slices.begin[s + 1];
      }
    }
    steps = end - begin;
    from = a.x + (first_row + row) * row_bytes + static_cast<size_t>(begin) * kBlockBytes +
           byte % kBlockBytes;
  }
  __device__ __forceinline__ void copy(int step, char* stage) const {
    if (step < steps) {
      const char* source = from + static_cast<size_t>(step) * kBlockBytes;
      constexpr int kRowStep = kThreads / (kRowBytes / 16);
      for (int n = row; n < rows; n += kRowStep) {
        copy16(shared_address(stage + place(n, byte)), source);
        source += kRowStep * row_bytes;
      }
    }
    copies_commit();
  }
};

// Adds up the slices and writes this block's outputs.
template <typename T, int kTiles>
__device__ __forceinline__ void finish(const Arguments& a, const float (&sums)[kTiles][4],
                                       int first_row, int count, float bias, float* shared) {
  constexpr int kRows = kTiles * 8;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int slice = warp % kSlices, tile = warp / kSlices;
  __syncthreads();  // nobody reads the rows any more
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = n * 8 + lane % 4 * 2 + (i & 1), out = tile * 16 + lane / 4 + (i >> 1) * 8;
      shared[(slice * kRows + row) * kSumPitch + out] = sums[n][i];
    }
  }
  __syncthreads();
  const int out = blockIdx.x * kTileOut + lane;
  if (out >= a.out) return;
  for (int row = warp; row < count; row += kThreads / 32) {
    float sum = shared[row * kSumPitch + lane];
#pragma unroll
    for (int s = 1; s < kSlices; ++s) {
      sum = __fadd_rn(sum, shared[(s * kRows + row) * kSumPitch + lane]);
    }
    write_output<T>(a, blockIdx.y, first_row + row, out, sum, bias);
  }
}

// The weights of a warp: 16 outputs of its slice. kDepth blocks are on their way at a time.
template <int kDepth>
struct WeightStream {
  const char *upper, *lower;  // 16 bytes of this lane in the first block
  int blocks;
  uint4 ahead[kDepth][2];  // of step i: ahead[i % kDepth]
  __device__ __forceinline__ WeightStream(const Arguments& a, int slice, int tile) {
    const int lane = threadIdx.x % 32, index = blockIdx.y * kSlices + slice;
    const int begin = slice_begin(index, a.blocks, a.slices);
    blocks = slice_begin(index + 1, a.blocks, a.slices) - begin;
    // Outputs past the end take the last one's weights and are not written.
    const size_t row_bytes = static_cast<size_t>(a.blocks) * kBlockBytes;
    const size_t offset = static_cast<size_t>(begin) * kBlockBytes + lane % 4 * 16;
    const int out = blockIdx.x * kTileOut + tile * 16 + lane / 4;
    upper = a.weight + min(out, a.out - 1) * row_bytes + offset;
    lower = a.weight + min(out + 8, a.out - 1) * row_bytes + offset;
#pragma unroll
    for (int d = 0; d < kDepth; ++d) load(d, d);
  }
  __device__ __forceinline__ void load(int step, int place) {
    if (step >= blocks) return;
    ahead[place][0] = load_weights(upper + step * kBlockBytes);
    ahead[place][1] = load_weights(lower + step * kBlockBytes);
  }
  // What the constructor has not loaded.
  __device__ __forceinline__ void prefetch_rest() const {
    const int t = threadIdx.x % 4;
    if (blocks > kDepth && t < 2) {
      prefetch_weights((t == 0 ? upper : lower - 16) + kDepth * kBlockBytes,
                       static_cast<unsigned>(blocks - kDepth) * kBlockBytes);
    }
  }
};

// About as many as the registers hold: a spilled weight would be waited for.
template <typename T, int kTiles>
constexpr int depth() {
  const int depth = kTiles <= 2 ? 8 : kTiles == 3 ? 7 : kTiles <= 6 ? 5 : 4;
  return sizeof(T) == 4 ? depth - 1 : depth;
}

template <typename T, int kTiles>
__global__ void __launch_bounds__(kThreads, 2) linear_kernel(const Arguments a) {
  constexpr int kDepth = depth<T, kTiles>();
  constexpr int kStages = Stages<kTiles>::kCount, kStageBytes = Stages<kTiles>::kBytes;
  static_assert(kStages >= 3, "rows are copied while others are multiplied");
  extern __shared__ __align__(128) char stages[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, slice = warp % kSlices;
  WeightStream<kDepth> stream(a, slice, warp / kSlices);
  let_dependents_start();
  stream.prefetch_rest();
  if (a.next_bytes != 0) prefetch_next(a);
  const int bias_at = min(static_cast<int>(blockIdx.x) * kTileOut + lane, a.out - 1);
  const float bias =
      a.output == RowOutput::kParts ? 0.0f : to_float(static_cast<const T*>(a.bias)[bias_at]);

  const Slices slices(a);
  const int first_row = blockIdx.z * kTiles * 8, count = min(kTiles * 8, a.rows - first_row);
  const bool resident = slices.steps <= kStages;
  const RowCopier copier(a, slices, first_row, count);
  wait_for_predecessors();
  const int first_steps = resident ? slices.steps : kStages - 1;
  for (int step = 0; step < first_steps; ++step) copier.copy(step, stages + step * kStageBytes);
  if (resident) copies_wait<0>();
  __syncthreads();

  float sums[kTiles][4] = {};
  const char* mine = stages + place(lane / 4, slice * kBlockBytes + lane % 4 * 16);
  int stage = 0;  // step % kStages
  for (int base = 0; base < slices.steps; base += kDepth) {
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      const int step = base + d;
      if (step >= slices.steps) break;
      if (!resident) {
        copies_wait<kStages - 2>();
        __syncthreads();
        const int freed = stage == 0 ? kStages - 1 : stage - 1;
        copier.copy(step + kStages - 1, stages + freed * kStageBytes);
      }
      if (step < stream.blocks) {
        const WeightBlock<T> weights(stream.ahead[d][0], stream.ahead[d][1]);
        stream.load(step + kDepth, d);
        const char* rows = mine + stage * kStageBytes;
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
          weights.multiply(sums[n], *reinterpret_cast<const uint4*>(rows + n * 8 * kRowBytes));
        }
      }
      stage = stage + 1 == kStages ? 0 : stage + 1;
    }
  }
  finish<T, kTiles>(a, sums, first_row, count, bias, reinterpret_cast<float*>(stages));
}

template <typename T, int kTiles>
cudaError_t launch_tiles(const Arguments& a, cudaStream_t stream) {
  const int splits = a.slices / kSlices;
  const dim3 grid((a.out + kTileOut - 1) / kTileOut, splits,
                  (a.rows + kTiles * 8 - 1) / (kTiles * 8));
  int steps = 0;
  for (int s = 0; s < a.slices; ++s) {
    const int length = slice_begin(s + 1, a.blocks, a.slices) - slice_begin(s, a.blocks, a.slices);
    steps = length > steps ? length : steps;
  }
  const int kept = steps < Stages<kTiles>::kCount ? steps : Stages<kTiles>::kCount;
  const int rows_bytes = kept * Stages<kTiles>::kBytes;
  const int sums_bytes = kSlices * kTiles * 8 * kSumPitch * static_cast<int>(sizeof(float));
  const size_t shared = rows_bytes > sums_bytes ? rows_bytes : sums_bytes;
  return launch_dependent(linear_kernel<T, kTiles>, grid, kThreads, shared, stream, a);
}

template <typename T>
cudaError_t launch(const Arguments& a, cudaStream_t stream) {
  if (a.rows <= 8) return launch_tiles<T, 1>(a, stream);
  if (a.rows <= 16) return launch_tiles<T, 2>(a, stream);
  if (a.rows <= 24) return launch_tiles<T, 3>(a, stream);
  if (a.rows <= 48) return launch_tiles<T, 6>(a, stream);
  return launch_tiles<T, 12>(a, stream);
}

}  // namespace

int row_linear_splits(int out, int in, ElementType type) {
  constexpr int kEnoughBlocks = 100;  // of threads: most multiprocessors have one
  constexpr int kLeastSteps = 4;      // of a slice
  const int tiles = (out + kTileOut - 1) / kTileOut;
  const int blocks = static_cast<int>(in * element_bytes(type) / kBlockBytes);
  int splits = 1;
  while (splits < kMaxRowSplits && tiles * splits < kEnoughBlocks &&
         blocks / (2 * splits * kSlices) >= kLeastSteps) {
    splits *= 2;
  }
  return splits;
}

namespace {

bool valid(const RowLinear& layer) {
  const size_t row_bytes = layer.in * element_bytes(layer.type);
  const bool norm = layer.x == nullptr;
  return layer.in > 0 && layer.out > 0 && row_bytes % kBlockBytes == 0 &&
         layer.next_bytes % 16 == 0 && layer.splits >= 0 && layer.splits <= kMaxRowSplits &&
         !(norm && (in_parts(layer.output) || layer.norm.part_count > 0));
}

Arguments arguments_of(const RowLinear& layer) {
  Arguments a{};
  a.norm = layer.norm;
  a.weight = static_cast<const char*>(layer.weight);
  a.bias = layer.bias;
  a.x = static_cast<const char*>(layer.x);
  a.y = layer.y;
  a.next = static_cast<const char*>(layer.next);
  a.next_bytes = layer.next_bytes;
  a.rows = layer.rows;
  a.in = layer.in;
  a.out = layer.out;
  a.blocks = static_cast<int>(layer.in * element_bytes(layer.type) / kBlockBytes);
  const int own_splits = row_linear_splits(layer.out, layer.in, layer.type);
  const int splits = layer.splits > 0 ? layer.splits : own_splits;
  a.slices = kSlices * (in_parts(layer.output) ? splits : 1);
  a.output = layer.output;
  return a;
}

}  // namespace

bool row_linear_streams(const RowLinear& layer) {
  return valid(layer) && row_streams(arguments_of(layer), layer.type);
}

cudaError_t row_linear(const RowLinear& layer, cudaStream_t stream) {
  if (!valid(layer)) return cudaErrorInvalidValue;
  if (layer.rows == 0) return cudaSuccess;
  const Arguments a = arguments_of(layer);
  if (row_tiles_fit(a, layer.type)) return row_tiles(a, layer.type, stream);
  if (row_streams(a, layer.type)) return row_stream(a, layer.type, stream);
  if (layer.x == nullptr || layer.output == RowOutput::kAdded) return cudaErrorInvalidValue;
  switch (layer.type) {
    case ElementType::kFloat32:
      return launch<float>(a, stream);
    case ElementType::kFloat16:
      return launch<__half>(a, stream);
    case ElementType::kBFloat16:
      return launch<__nv_bfloat16>(a, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
