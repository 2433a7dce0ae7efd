// Linear layers of two-byte types on 25 to 96 rows: a block of threads makes 16 * kOutTiles outputs
// of all rows, so that the rows are read from the L2 cache a few dozen times and not hundreds.
//
// All weights of a block of threads are on their way to shared memory before it waits for the
// kernels that make the rows (row_stream.cu says why). Two groups of warps halve the rows, a warp
// for each slice of K. A lane copies the 16 bytes of rows that it will multiply itself, kDepth
// units of kUnitTiles * 8 rows ahead, to a place in shared memory that no other lane touches: no
// barrier holds a warp up before its slice is added up. Then each of the four warps of a group adds
// the slices of a quarter of the outputs. Note [One order of K] in row_linear.h holds.
#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/bulk_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_linear.cuh"

namespace indextts2 {
namespace {

constexpr int kGroups = 2;  // of warps: halves of the rows
constexpr int kWarps = kGroups * kSlices, kThreads = kWarps * 32;
constexpr int kUnitTiles = 3;                        // of 8 rows: what a warp copies at a time
constexpr int kUnitBytes = kUnitTiles * 32 * 16;     // one block of K of them
constexpr int kUnitRows = kGroups * kUnitTiles * 8;  // of a block of threads
constexpr int kFewestRows = 25, kMaxUnits = 2;
constexpr int kMostOutTiles = 4, kFewestOutTiles = 2;
// Narrower tiles where wide ones would leave most multiprocessors idle, and not more: each tile
// reads all rows.
constexpr int kEnoughTiles = 80;

// Units on their way: about 60 KB cover the latency; the rest of the shared memory is for weights.
constexpr int depth(int out_tiles) { return out_tiles >= 4 ? 5 : out_tiles == 3 ? 6 : 8; }

int outs_bytes(const RowLinearArguments& a, int out_tiles, int units) {
  const int weights = out_tiles * 16 * weight_pitch(a);
  const int sums = out_tiles * units * kUnitTiles * kThreads * 16;
  return weights > sums ? weights : sums;
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
  if (bytes == 0) return;
  for (int n = lane; n < kOuts; n += 32) {
    // Outputs past the end take the last one's weights and are not written.
    const int out = min(static_cast<int>(blockIdx.x) * kOuts + n, a.out - 1);
    const char* from = a.weight + (static_cast<size_t>(out) * a.blocks + begin) * kBlockBytes;
    bulk_copy(to + n * weight_pitch(a), from, bytes, arrived);
  }
}

// What a lane multiplies of the rows, in the order of use: unit u is part u % kUnits of the rows at
// block u / kUnits of the warp's slice. A group of copies each, kDepth of them open.
template <int kUnits, int kDepth>
struct RowQueue {
  const char* from;    // this lane's 16 bytes of the slice's first block, in the warp's first tile
  unsigned tile_step;  // from a tile of 8 rows to the next, in bytes
  int rows;            // of the warp's rows those from this lane's first on
  char* places;        // [kDepth][kUnitTiles] of 512 bytes, this lane's 16 bytes in the first
  int left;            // blocks that are still to be copied
  int place = 0;       // of the unit to be taken next

  // Into the place that was taken last.
  __device__ __forceinline__ void copy(int unit, int to) {
    if (left > 0) {
#pragma unroll
      for (int n = 0; n < kUnitTiles; ++n) {
        const int tile = unit * kUnitTiles + n;
        const bool there = tile * 8 < rows;
        copy16(shared_address(places + to * kUnitBytes + n * 512),
               from + (there ? tile * tile_step : 0), there);
      }
    }
    copies_commit();
    if (unit == kUnits - 1) {
      from += kBlockBytes;
      --left;
    }
  }
  __device__ __forceinline__ void start() {
#pragma unroll
    for (int d = 0; d < kDepth; ++d) copy(d % kUnits, d);
  }
  // The next unit, number `unit` of its block; copying goes on behind it.
  __device__ __forceinline__ void take(int unit, uint4 (&taken)[kUnitTiles]) {
    copies_wait<kDepth - 1>();
#pragma unroll
    for (int n = 0; n < kUnitTiles; ++n) {
      taken[n] = *reinterpret_cast<const uint4*>(places + place * kUnitBytes + n * 512);
    }
    copy((unit + kDepth) % kUnits, place);
    place = place + 1 == kDepth ? 0 : place + 1;
  }
};

// The products of a slice of `blocks` blocks of K.
template <typename T, int kOutTiles, int kUnits, int kDepth>
__device__ __forceinline__ void multiply(const char* weights, int pitch, int blocks,
                                         RowQueue<kUnits, kDepth>& queue,
                                         float (&sums)[kOutTiles][kUnits][kUnitTiles][4]) {
#pragma unroll 1
  for (int block = 0; block < blocks; ++block) {
    uint4 upper[kOutTiles], lower[kOutTiles];
#pragma unroll
    for (int m = 0; m < kOutTiles; ++m) {
      upper[m] = *reinterpret_cast<const uint4*>(weights + m * 16 * pitch);
      lower[m] = *reinterpret_cast<const uint4*>(weights + (m * 16 + 8) * pitch);
    }
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
      uint4 rows[kUnitTiles];
      queue.take(unit, rows);
#pragma unroll
      for (int m = 0; m < kOutTiles; ++m) {
        WeightBlock<T>(upper[m], lower[m]).multiply_all(sums[m][unit], rows);
      }
    }
    weights += kBlockBytes;
  }
}

// The four warps of a group add up the slices, each those of every fourth tile of 16 outputs x 8
// rows, and write them. `shared`: float4 [tiles][kWarps][32].
template <typename T, int kOutTiles, int kUnits>
__device__ __forceinline__ void finish(const RowLinearArguments& a,
                                       const float (&sums)[kOutTiles][kUnits][kUnitTiles][4],
                                       int first_row, const float* bias, float4* shared) {
  constexpr int kRowTiles = kUnits * kUnitTiles, kTiles = kOutTiles * kRowTiles;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int slice = warp % kSlices, group = warp / kSlices;
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
    if (i % kSlices == slice) continue;
    const int n = i % kRowTiles;
    const float(&sum)[4] = sums[i / kRowTiles][n / kUnitTiles][n % kUnitTiles];
    shared[i * kThreads + threadIdx.x] = {sum[0], sum[1], sum[2], sum[3]};
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
    if (i % kSlices != slice) continue;
    const int m = i / kRowTiles, n = i % kRowTiles;
    float total[4];
#pragma unroll
    for (int s = 0; s < kSlices; ++s) {
      const float(&own)[4] = sums[m][n / kUnitTiles][n % kUnitTiles];
      float4 part = {own[0], own[1], own[2], own[3]};
      if (s != i % kSlices) part = shared[i * kThreads + (group * kSlices + s) * 32 + lane];
      total[0] = s == 0 ? part.x : __fadd_rn(total[0], part.x);
      total[1] = s == 0 ? part.y : __fadd_rn(total[1], part.y);
      total[2] = s == 0 ? part.z : __fadd_rn(total[2], part.z);
      total[3] = s == 0 ? part.w : __fadd_rn(total[3], part.w);
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int row = first_row + n * 8 + lane % 4 * 2 + e % 2;
      const int in_tile = m * 16 + lane / 4 + e / 2 * 8;
      const int out = static_cast<int>(blockIdx.x) * kOutTiles * 16 + in_tile;
      if (row < a.rows && out < a.out) {
        write_output<T>(a, blockIdx.y, row, out, total[e], bias[in_tile]);
      }
    }
  }
}

template <typename T, int kOutTiles, int kUnits>
__global__ void __launch_bounds__(kThreads, 1)
    tiles_kernel(const RowLinearArguments a, int weight_bytes) {
  constexpr int kOuts = kOutTiles * 16, kDepth = depth(kOutTiles);
  // Weights [kOuts][pitch], later the sums; behind them the rows' places.
  extern __shared__ __align__(128) char shared[];
  __shared__ float bias[kOuts];
  __shared__ uint64_t arrived;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.y * kSlices;
  const int part_begin = slice_begin(first, a.blocks, a.slices);
  const int part_blocks = slice_begin(first + kSlices, a.blocks, a.slices) - part_begin;
  if (warp == 0) fetch_weights<kOuts>(a, part_begin, part_blocks, shared, &arrived);
  let_dependents_start();
  if (a.output != RowOutput::kParts && threadIdx.x < kOuts) {
    const int out = min(static_cast<int>(blockIdx.x * kOuts + threadIdx.x), a.out - 1);
    bias[threadIdx.x] = to_float(static_cast<const T*>(a.bias)[out]);
  }
  const int slice = warp % kSlices, in_block = lane % 4 * 16, pitch = weight_pitch(a);
  const int first_row = warp / kSlices * kUnits * kUnitTiles * 8;
  const int begin = slice_begin(first + slice, a.blocks, a.slices);
  const int blocks = slice_begin(first + slice + 1, a.blocks, a.slices) - begin;
  const size_t row_bytes = static_cast<size_t>(a.blocks) * kBlockBytes;
  RowQueue<kUnits, kDepth> queue;
  queue.rows = a.rows - first_row - lane / 4;
  // Lanes without a row copy nothing; their address is the first row's.
  queue.from = a.x + (queue.rows > 0 ? (first_row + lane / 4) * row_bytes : 0) +
               static_cast<size_t>(begin) * kBlockBytes + in_block;
  queue.tile_step = static_cast<unsigned>(8 * row_bytes);
  queue.places = shared + weight_bytes + warp * kDepth * kUnitBytes + lane * 16;
  queue.left = blocks;
  const char* weights = shared + lane / 4 * pitch + (begin - part_begin) * kBlockBytes + in_block;
  __syncthreads();  // the barrier is there
  wait_for_predecessors();
  queue.start();
  float sums[kOutTiles][kUnits][kUnitTiles][4] = {};
  wait_for_bytes(&arrived);
  multiply<T, kOutTiles>(weights, pitch, blocks, queue, sums);
  __syncthreads();  // nobody reads the weights any more
  finish<T>(a, sums, first_row, bias, reinterpret_cast<float4*>(shared));
}

// Tiles of 16 outputs of a block of threads; 0: weights of this size do not fit.
int out_tiles(const RowLinearArguments& a) {
  const int units = (a.rows + kUnitRows - 1) / kUnitRows, parts = a.slices / kSlices;
  const int most = most_shared_bytes() - 1024;  // less what a kernel has besides
  int found = 0;
  for (int tiles = kFewestOutTiles; tiles <= kMostOutTiles; ++tiles) {
    const int blocks = (a.out + tiles * 16 - 1) / (tiles * 16) * parts;
    if (outs_bytes(a, tiles, units) + depth(tiles) * kWarps * kUnitBytes > most) break;
    if (found == 0 || blocks >= kEnoughTiles) found = tiles;
  }
  return found;
}

template <typename T, int kOutTiles, int kUnits>
cudaError_t launch(const RowLinearArguments& a, cudaStream_t stream) {
  const dim3 grid((a.out + kOutTiles * 16 - 1) / (kOutTiles * 16), a.slices / kSlices);
  const int weight_bytes = outs_bytes(a, kOutTiles, kUnits);
  const size_t shared = weight_bytes + depth(kOutTiles) * kWarps * kUnitBytes;
  return launch_dependent(tiles_kernel<T, kOutTiles, kUnits>, grid, kThreads, shared, stream, a,
                          weight_bytes);
}

template <typename T, int kUnits>
cudaError_t launch_tiles(const RowLinearArguments& a, cudaStream_t stream) {
  switch (out_tiles(a)) {
    case 2:
      return launch<T, 2, kUnits>(a, stream);
    case 3:
      return launch<T, 3, kUnits>(a, stream);
    case 4:
      return launch<T, 4, kUnits>(a, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

template <typename T>
cudaError_t launch_rows(const RowLinearArguments& a, cudaStream_t stream) {
  return a.rows <= kUnitRows ? launch_tiles<T, 1>(a, stream) : launch_tiles<T, 2>(a, stream);
}

}  // namespace

bool row_tiles_fit(const RowLinearArguments& a, ElementType type) {
  if (element_bytes(type) != 2 || a.x == nullptr || a.output == RowOutput::kAdded) return false;
  if (a.rows < kFewestRows || a.rows > kMaxUnits * kUnitRows || out_tiles(a) == 0) return false;
  // Any kernel of this file tells what it was compiled for; older code has no bulk copies.
  cudaFuncAttributes code{};
  const auto kernel = tiles_kernel<__half, kFewestOutTiles, 1>;
  return cudaFuncGetAttributes(&code, kernel) == cudaSuccess && code.ptxVersion >= 90;
}

cudaError_t row_tiles(const RowLinearArguments& a, ElementType type, cudaStream_t stream) {
  return type == ElementType::kFloat16 ? launch_rows<__half>(a, stream)
                                       : launch_rows<__nv_bfloat16>(a, stream);
}

}  // namespace indextts2
