// Linear layers on up to 24 rows: a block of threads has all its weights on their way before it
// waits for the kernels that make the rows. As a kernel lets its successor start at once, the
// weights of two layers or three are in flight or in shared memory at any time, and the memory does
// not rest while one kernel ends and the next begins.
//
// A block of threads makes 16 * kOutTiles outputs of up to 8 * kTiles rows, a warp for each slice
// of K. Rows go from the L2 cache straight into registers.
#include "cuda/kernels/bulk_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_linear.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = kSlices * 32;
constexpr int kMostWeightBytes = 84 * 1024;  // two blocks of threads share a multiprocessor

// Of a weight's row in shared memory: an odd number of blocks, so that the reads of two rows fall
// into different banks.
__host__ __device__ __forceinline__ int weight_pitch(int blocks) {
  return (blocks | 1) * kBlockBytes;
}

// Blocks of K whose rows are loaded at once: what the registers hold.
template <typename T, int kTiles>
constexpr int ahead() {
  return sizeof(T) == 4 ? (kTiles == 1 ? 20 : kTiles == 2 ? 10 : 5) : 10;
}

// From the L2 cache: written by a kernel that may have run beside this one. Volatile: stays after
// the wait and before the weights are waited for.
__device__ __forceinline__ uint4 load_fresh_bytes(const char* from) {
  uint4 value;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(from));
  return value;
}

// Starts copying the weights of this block of threads; by one warp.
template <int kOuts>
__device__ __forceinline__ void fetch_weights(const RowLinearArguments& a, int begin, int blocks,
                                              char* to, uint64_t* arrived) {
  const int lane = threadIdx.x % 32;
  const unsigned bytes = static_cast<unsigned>(blocks) * kBlockBytes;
  if (lane == 0) {
    init_barrier(arrived);
    expect_bytes(arrived, kOuts * bytes);
  }
  __syncwarp();
  if (lane >= kOuts || bytes == 0) return;
  // Outputs past the end take the last one's weights and are not written.
  const int out = min(static_cast<int>(blockIdx.x) * kOuts + lane, a.out - 1);
  const char* from = a.weight + (static_cast<size_t>(out) * a.blocks + begin) * kBlockBytes;
  bulk_copy(to + lane * weight_pitch(blocks), from, bytes, arrived);
}

template <typename T, int kTiles, int kOutTiles>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 2 && kOutTiles == 1 && kTiles == 1 ? 5 : 2)
    stream_kernel(const RowLinearArguments a) {
  constexpr int kAhead = ahead<T, kTiles>(), kRows = kTiles * 8, kOuts = kOutTiles * 16;
  extern __shared__ __align__(128) char weights[];  // [kOuts][pitch]
  __shared__ float shared[kSlices][kRows][kOuts + 4];
  __shared__ uint64_t arrived;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.y * kSlices;
  const int part_begin = slice_begin(first, a.blocks, a.slices);
  const int part_blocks = slice_begin(first + kSlices, a.blocks, a.slices) - part_begin;
  if (warp == 0) fetch_weights<kOuts>(a, part_begin, part_blocks, weights, &arrived);
  let_dependents_start();
  const int my_out = blockIdx.x * kOuts + threadIdx.x % kOuts;
  T bias = from_float<T>(0);
  if (a.output != RowOutput::kParts) bias = static_cast<const T*>(a.bias)[min(my_out, a.out - 1)];
  const int begin = slice_begin(first + warp, a.blocks, a.slices);
  const int blocks = slice_begin(first + warp + 1, a.blocks, a.slices) - begin;
  const size_t row_bytes = static_cast<size_t>(a.blocks) * kBlockBytes;
  const int pitch = weight_pitch(part_blocks), in_block = lane % 4 * 16;
  const char* x = a.x + lane / 4 * row_bytes + static_cast<size_t>(begin) * kBlockBytes + in_block;
  const char* mine = weights + lane / 4 * pitch + (begin - part_begin) * kBlockBytes + in_block;
  __syncthreads();  // the barrier is there
  wait_for_predecessors();

  float sums[kOutTiles][kTiles][4] = {};
  for (int base = 0; base == 0 || base < blocks; base += kAhead) {
    uint4 rows[kAhead][kTiles];
#pragma unroll
    for (int d = 0; d < kAhead; ++d) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        rows[d][n] = {0, 0, 0, 0};
        if (base + d < blocks && n * 8 + lane / 4 < a.rows) {
          rows[d][n] = load_fresh_bytes(x + n * 8 * row_bytes + (base + d) * kBlockBytes);
        }
      }
    }
    if (base == 0) wait_for_bytes(&arrived);
#pragma unroll
    for (int d = 0; d < kAhead; ++d) {
      if (base + d >= blocks) continue;
#pragma unroll
      for (int m = 0; m < kOutTiles; ++m) {
        const char* from = mine + m * 16 * pitch + (base + d) * kBlockBytes;
        const WeightBlock<T> block(*reinterpret_cast<const uint4*>(from),
                                   *reinterpret_cast<const uint4*>(from + 8 * pitch));
#pragma unroll
        for (int n = 0; n < kTiles; ++n) block.multiply(sums[m][n], rows[d][n]);
      }
    }
  }
#pragma unroll
  for (int m = 0; m < kOutTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        shared[warp][n * 8 + lane % 4 * 2 + (i & 1)][m * 16 + lane / 4 + (i >> 1) * 8] =
            sums[m][n][i];
      }
    }
  }
  __syncthreads();
  if (my_out >= a.out) return;
  for (int row = threadIdx.x / kOuts; row < a.rows; row += kThreads / kOuts) {
    float sum = shared[0][row][threadIdx.x % kOuts];
#pragma unroll
    for (int s = 1; s < kSlices; ++s) sum = __fadd_rn(sum, shared[s][row][threadIdx.x % kOuts]);
    write_output<T>(a, blockIdx.y, row, my_out, sum, to_float(bias));
  }
}

template <typename T, int kTiles, int kOutTiles>
cudaError_t launch(const RowLinearArguments& a, int part_blocks, cudaStream_t stream, bool* taken) {
  const auto kernel = stream_kernel<T, kTiles, kOutTiles>;
  cudaFuncAttributes code{};
  const cudaError_t status = cudaFuncGetAttributes(&code, kernel);
  if (status != cudaSuccess) return status;
  *taken = code.ptxVersion >= 90;  // older code has no bulk copies
  if (!*taken) return cudaSuccess;
  constexpr int kOuts = kOutTiles * 16;
  const dim3 grid((a.out + kOuts - 1) / kOuts, a.slices / kSlices);
  return launch_dependent(kernel, grid, kThreads, kOuts * weight_pitch(part_blocks), stream, a);
}

template <typename T, int kTiles>
cudaError_t launch_tiles(const RowLinearArguments& a, int part_blocks, cudaStream_t stream,
                         bool* taken) {
  // Narrow ones spread best; wide ones read many rows less often.
  if constexpr (kTiles > 1 && sizeof(T) == 2) {
    if (32 * weight_pitch(part_blocks) <= kMostWeightBytes) {
      return launch<T, kTiles, 2>(a, part_blocks, stream, taken);
    }
  }
  return launch<T, kTiles, 1>(a, part_blocks, stream, taken);
}

template <typename T>
cudaError_t launch_rows(const RowLinearArguments& a, int part_blocks, cudaStream_t stream,
                        bool* taken) {
  if (a.rows <= 8) return launch_tiles<T, 1>(a, part_blocks, stream, taken);
  if (a.rows <= 16) return launch_tiles<T, 2>(a, part_blocks, stream, taken);
  return launch_tiles<T, 3>(a, part_blocks, stream, taken);
}

}  // namespace

cudaError_t row_stream(const RowLinearArguments& a, ElementType type, cudaStream_t stream,
                       bool* taken) {
  *taken = false;
  int part_blocks = 0;  // of the longest part
  for (int s = 0; s < a.slices; s += kSlices) {
    const int length =
        slice_begin(s + kSlices, a.blocks, a.slices) - slice_begin(s, a.blocks, a.slices);
    part_blocks = length > part_blocks ? length : part_blocks;
  }
  if (a.rows > kMostStreamedRows || 16 * weight_pitch(part_blocks) > kMostWeightBytes) {
    return cudaSuccess;
  }
  switch (type) {
    case ElementType::kFloat32:
      return launch_rows<float>(a, part_blocks, stream, taken);
    case ElementType::kFloat16:
      return launch_rows<__half>(a, part_blocks, stream, taken);
    case ElementType::kBFloat16:
      return launch_rows<__nv_bfloat16>(a, part_blocks, stream, taken);
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
