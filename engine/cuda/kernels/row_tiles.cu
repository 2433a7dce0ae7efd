// Linear layers of two-byte types on 25 to 96 rows: a block of threads makes 16 * kOutTiles outputs
// of all rows, so that the rows are read from the L2 cache a few dozen times and not hundreds.
//
// All weights of a block of threads are on their way to shared memory before it waits for the
// kernels that make the rows (row_stream.cu says why). Two groups of warps halve the rows, a warp
// for each slice of K. A lane copies the 16 bytes of rows that it will multiply itself, kDepth
// units of kUnitTiles * 8 rows ahead, to a place in shared memory that no other lane touches: no
// barrier holds a warp up before its slice is added up. Note [One order of K] in row_linear.h
// holds.
#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/bulk_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_linear.cuh"
#include "cuda/kernels/row_norm.cuh"
#include "cuda/kernels/row_weights.cuh"

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

// Units on their way: what the weights leave of the shared memory, less a block of row_norm.cu's,
// which shall run beside the first copies.
constexpr int depth(int out_tiles) { return out_tiles >= 4 ? 4 : out_tiles == 3 ? 6 : 8; }

int outs_bytes(const RowLinearArguments& a, int out_tiles, int units) {
  const int weights = out_tiles * 16 * weight_pitch(a);
  const int sums = out_tiles * units * kUnitTiles * kThreads * 16;
  return weights > sums ? weights : sums;
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

// One block of K of 16 weight rows as the two products take it (WeightBlock::multiply), each
// operand in registers of its own. They are side by side, which loads of 16 bytes cannot make them:
// `zero`, which the compiler does not know, keeps it from moving them there anew before every
// product.
struct WeightOperands {
  uint32_t a[2][4];
  WeightOperands() = default;
  __device__ __forceinline__ WeightOperands(const char* weights, int pitch, uint32_t zero) {
    const uint4 upper = *reinterpret_cast<const uint4*>(weights);
    const uint4 lower = *reinterpret_cast<const uint4*>(weights + 8 * pitch);
    const uint32_t words[2][4] = {{upper.x, lower.x, upper.y, lower.y},
                                  {upper.z, lower.z, upper.w, lower.w}};
#pragma unroll
    for (int i = 0; i < 8; ++i) a[i / 4][i % 4] = words[i / 4][i % 4] ^ zero;
  }
};

// The products of a slice of `blocks` blocks of K.
template <typename T, int kOutTiles, int kUnits, int kDepth>
__device__ __forceinline__ void multiply(const char* weights, int pitch, int blocks, uint32_t zero,
                                         RowQueue<kUnits, kDepth>& queue,
                                         float (&sums)[kOutTiles][kUnits][kUnitTiles][4]) {
  const auto product = [](float(&sum)[4], const uint32_t(&a)[4], uint32_t b0, uint32_t b1) {
    mma<T>(sum, a[0], a[1], a[2], a[3], b0, b1);
  };
#pragma unroll 1
  for (int block = 0; block < blocks; ++block) {
    WeightOperands operands[kOutTiles];
#pragma unroll
    for (int m = 0; m < kOutTiles; ++m) {
      operands[m] = WeightOperands(weights + m * 16 * pitch, pitch, zero);
    }
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
      uint4 rows[kUnitTiles];
      queue.take(unit, rows);
#pragma unroll
      for (int m = 0; m < kOutTiles; ++m) {
#pragma unroll
        for (int n = 0; n < kUnitTiles; ++n) {
          product(sums[m][unit][n], operands[m].a[0], rows[n].x, rows[n].y);
        }
#pragma unroll
        for (int n = 0; n < kUnitTiles; ++n) {
          product(sums[m][unit][n], operands[m].a[1], rows[n].z, rows[n].w);
        }
      }
    }
    weights += kBlockBytes;
  }
}

// Numbers {row, out}, {row + 1, out}, {row, out + 8}, {row + 1, out + 8} of the outputs, where a
// product has them. `bias`: of `out`.
template <typename T>
__device__ __forceinline__ void write_four(const RowLinearArguments& a, int row, int out,
                                           const float4& sums, const float* bias) {
  const bool parts = a.output == RowOutput::kParts;
  float values[4] = {sums.x, sums.y, sums.z, sums.w};
  if (!parts) {
#pragma unroll
    for (int e = 0; e < 4; ++e) values[e] = __fadd_rn(values[e], bias[e / 2 * 8]);
  }
  if (a.output == RowOutput::kGelu) {
#pragma unroll
    for (int e = 0; e < 4; ++e) values[e] = gelu_tanh(values[e]);
  }
  const size_t part = parts ? static_cast<size_t>(blockIdx.y) * a.rows * a.out : 0;
  const size_t at = part + static_cast<size_t>(row) * a.out + out;
#pragma unroll
  for (int e = 0; e < 4; ++e) {
    if (row + e % 2 >= a.rows || out + e / 2 * 8 >= a.out) continue;
    const size_t to = at + e % 2 * a.out + e / 2 * 8;
    if (parts) {
      static_cast<float*>(a.y)[to] = values[e];
    } else {
      static_cast<T*>(a.y)[to] = from_float<T>(values[e]);
    }
  }
}

// Adds up the slices and writes the outputs. `shared`: float4 [kTiles][kSlices][kGroups][32], of
// each tile of 16 outputs x 8 rows what the lanes have.
template <typename T, int kOutTiles, int kUnits>
__device__ __forceinline__ void finish(const RowLinearArguments& a,
                                       const float (&sums)[kOutTiles][kUnits][kUnitTiles][4],
                                       const float* bias, float4* shared) {
  constexpr int kRowTiles = kUnits * kUnitTiles, kTiles = kOutTiles * kRowTiles;
  constexpr int kLanes = kGroups * 32;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float4* const mine = shared + warp % kSlices * kLanes + warp / kSlices * 32 + lane;
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
    const int n = i % kRowTiles;
    const float(&sum)[4] = sums[i / kRowTiles][n / kUnitTiles][n % kUnitTiles];
    mine[i * kThreads] = {sum[0], sum[1], sum[2], sum[3]};
  }
  __syncthreads();
  const int group = threadIdx.x % kLanes / 32;
  const int first_row = group * kRowTiles * 8 + lane % 4 * 2;
#pragma unroll 2
  for (int i = threadIdx.x / kLanes; i < kTiles; i += kSlices) {
    const float4* const slices = shared + i * kThreads + threadIdx.x % kLanes;
    float4 total = slices[0];
#pragma unroll
    for (int s = 1; s < kSlices; ++s) total = add(total, slices[s * kLanes]);
    const int row = first_row + i % kRowTiles * 8, in_tile = i / kRowTiles * 16 + lane / 4;
    write_four<T>(a, row, static_cast<int>(blockIdx.x) * kOutTiles * 16 + in_tile, total,
                  bias + in_tile);
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
  // The next kernel's blocks of threads do not all find room before this one ends.
  if (a.next_bytes != 0) prefetch_next(a);
  multiply<T, kOutTiles>(weights, pitch, blocks, static_cast<uint32_t>(a.rows) >> 31, queue, sums);
  __syncthreads();  // nobody reads the weights any more
  finish<T>(a, sums, bias, reinterpret_cast<float4*>(shared));
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
