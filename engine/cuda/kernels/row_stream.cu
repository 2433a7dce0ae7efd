// Linear layers on up to 96 rows: a block of threads has all its weights on their way before it
// waits for the kernels that make the rows. As a kernel lets its successor start at once, the
// weights of two layers or three are in flight or in shared memory at any time, and the memory does
// not rest while one kernel ends and the next begins.
//
// A block of threads makes 16 * kOutTiles outputs; kGroups groups of warps take 8 * kTiles rows
// each, a warp for each slice of K. Rows go from the L2 cache straight into registers; those of a
// layer norm are made first, a warp a row, in shared memory. The parts of K of kAdded are a
// cluster, whose first block adds.
#include "cuda/kernels/async_copy.cuh"
#include "cuda/kernels/bulk_copy.cuh"
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/row_linear.cuh"
#include "cuda/kernels/row_norm.cuh"
#include "cuda/kernels/row_weights.cuh"

namespace indextts2 {
namespace {

constexpr int kGroupThreads = kSlices * 32;
constexpr int kMostWeightBytes = 84 * 1024;  // two blocks of threads share a multiprocessor
constexpr int kMostRows = 24;                // of one group
constexpr int kMostAddedRows = 24;           // with more, row_tiles.cu makes parts faster
constexpr int kMostGroupedRows = 96;
// With more, a norm inside takes longer than a kernel of its own: on an H100, 24 layers on 6 and 12
// rows of bfloat16 take 0.530 and 0.707 ms with it, 0.606 and 0.632 ms without.
constexpr int kMostNormRows = 8, kMostFloatNormRows = 4;
constexpr int kNormVectors = 10;  // of four numbers, a lane: rows up to 1280 wide

enum class Mode { kRows, kNormed, kAdded };

// Blocks of K whose rows are loaded at once: what the registers hold.
template <typename T, int kTiles, int kGroups>
constexpr int ahead() {
  if (kGroups > 1) return kTiles <= 2 ? 10 : kTiles == 3 ? 5 : 2;
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

// Makes a pointer known before the wait, where there is time.
__device__ __forceinline__ void settle(const char*& pointer) { asm volatile("" : "+l"(pointer)); }

// Layer norms of the rows into `to` [rows][pitch], behind which there is room for the norm's weight
// and bias. Waits for the kernels before.
template <typename T, int kGroups>
__device__ __forceinline__ void make_normed_rows(const RowLinearArguments& a, char* to, int pitch) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, bytes = a.blocks * kBlockBytes;
  char* const scales = to + a.rows * pitch;
  for (int at = threadIdx.x * 16; at < bytes; at += kGroups * kGroupThreads * 16) {
    copy16(shared_address(scales + at), static_cast<const char*>(a.norm.weight) + at);
    copy16(shared_address(scales + bytes + at), static_cast<const char*>(a.norm.bias) + at);
  }
  copies_commit();
  copies_wait<0>();
  __syncthreads();
  const T* const weight = reinterpret_cast<const T*>(scales) + lane * 4;
  const T* const bias = reinterpret_cast<const T*>(scales + bytes) + lane * 4;
  const float* h = a.norm.h + static_cast<size_t>(warp) * a.in + lane * 4;
  T* y = reinterpret_cast<T*>(to + warp * pitch) + lane * 4;
  const int left = a.in - lane * 4;  // from this lane's first number on
  wait_for_predecessors();
#pragma unroll 1
  for (int row = warp; row < a.rows; row += kGroups * kSlices) {
    float4 values[kNormVectors];
#pragma unroll
    for (int k = 0; k < kNormVectors; ++k) {
      values[k] = {0, 0, 0, 0};
      if (k * 128 < left) values[k] = load_fresh(h + k * 128);
    }
    const RowStatistics statistics = row_statistics(values, a.in, a.norm.eps);
#pragma unroll
    for (int k = 0; k < kNormVectors; ++k) {
      if (k * 128 >= left) continue;
      store_four(y + k * 128, normalized(values[k], statistics, load_four(weight + k * 128),
                                         load_four(bias + k * 128)));
    }
    h += static_cast<size_t>(kGroups * kSlices) * a.in;
    y += kGroups * kSlices * pitch / static_cast<int>(sizeof(T));
  }
}

// Where a warp's lane finds its 16 bytes of a block of K: weights of the upper row, activations.
struct Lane {
  const char* weights;  // in shared memory
  const char* rows;     // in shared memory for kNormed
  size_t row_bytes;     // from a row to the next
  int pitch;            // of weights
  int blocks;           // of K in the warp's slice
};

// The products of a slice.
template <typename T, int kTiles, int kOutTiles, int kGroups, Mode kMode>
__device__ __forceinline__ void multiply(const Lane& lane, int row_count, uint64_t* arrived,
                                         float (&sums)[kOutTiles][kTiles][4]) {
  constexpr int kAhead = ahead<T, kTiles, kGroups>();
  const int row = threadIdx.x % 32 / 4;
  const char *from = lane.rows, *weights = lane.weights;
  for (int left = lane.blocks, base = 0; base == 0 || left > 0; base += kAhead, left -= kAhead) {
    uint4 rows[kAhead][kTiles];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const char* from_row = from + n * 8 * lane.row_bytes;
      const int row_left = n * 8 + row < row_count ? left : 0;
#pragma unroll
      for (int d = 0; d < kAhead; ++d) {
        rows[d][n] = {0, 0, 0, 0};
        if (d >= row_left) continue;
        if (kMode == Mode::kNormed) {
          rows[d][n] = *reinterpret_cast<const uint4*>(from_row + d * kBlockBytes);
        } else {
          rows[d][n] = load_fresh_bytes(from_row + d * kBlockBytes);
        }
      }
    }
    if (base == 0) wait_for_bytes(arrived);
#pragma unroll
    for (int d = 0; d < kAhead; ++d) {
      if (d >= left) continue;
#pragma unroll
      for (int m = 0; m < kOutTiles; ++m) {
        const char* upper = weights + m * 16 * lane.pitch + d * kBlockBytes;
        const WeightBlock<T> block(*reinterpret_cast<const uint4*>(upper),
                                   *reinterpret_cast<const uint4*>(upper + 8 * lane.pitch));
#pragma unroll
        for (int n = 0; n < kTiles; ++n) block.multiply(sums[m][n], rows[d][n]);
      }
    }
    from += kAhead * kBlockBytes;
    weights += kAhead * kBlockBytes;
  }
}

// Outputs of a block of threads: thread i makes numbers i, i + kThreads, ... of [rows][kOuts].
template <int kTiles, int kOutTiles, int kGroups>
struct Outputs {
  static constexpr int kThreads = kGroups * kGroupThreads;
  static constexpr int kRows = kGroups * kTiles * 8, kOuts = kOutTiles * 16;
  static constexpr int kEach = kRows * kOuts / kThreads;
  float slices[kSlices][kRows][kOuts + 4];

  static __device__ __forceinline__ int column() { return threadIdx.x % kOuts; }
  static __device__ __forceinline__ int row(int e) {
    return threadIdx.x / kOuts + e * (kThreads / kOuts);
  }
  // Of this thread's slice.
  __device__ __forceinline__ void put(const float (&sums)[kOutTiles][kTiles][4]) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int slice = warp % kSlices, first_row = warp / kSlices * kTiles * 8 + lane % 4 * 2;
#pragma unroll
    for (int m = 0; m < kOutTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          slices[slice][first_row + n * 8 + (i & 1)][m * 16 + lane / 4 + (i >> 1) * 8] =
              sums[m][n][i];
        }
      }
    }
  }
  __device__ __forceinline__ float sum(int e) const {
    float sum = slices[0][row(e)][column()];
#pragma unroll
    for (int s = 1; s < kSlices; ++s) sum = __fadd_rn(sum, slices[s][row(e)][column()]);
    return sum;
  }
};

// kAdded: the other blocks of the cluster send their sums to the first, `parts` [splits - 1][R]
// [kOuts] there, which adds all to what was there `before`.
template <typename Outs, int kEach>
__device__ __forceinline__ void add_parts(const RowLinearArguments& a, int out, float bias,
                                          const float (&before)[kEach], const Outs& outputs,
                                          float* parts, uint64_t* received) {
  const int part_size = a.rows * Outs::kOuts;
  if (blockIdx.y == 0 && gridDim.y > 1) wait_for_bytes(received);
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    const int row = Outs::row(e);
    if (row >= a.rows) continue;
    float sum = outputs.sum(e);
    float* part = parts + row * Outs::kOuts + Outs::column();
    if (blockIdx.y > 0) {
      send_to_first(part + (blockIdx.y - 1) * part_size, sum, received);
      continue;
    }
#pragma unroll
    for (unsigned p = 1; p < kMaxRowSplits; ++p) {
      if (p < gridDim.y) sum = __fadd_rn(sum, part[(p - 1) * part_size]);
    }
    if (out >= a.out) continue;
    static_cast<float*>(a.y)[static_cast<size_t>(row) * a.out + out] =
        __fadd_rn(before[e], __fadd_rn(sum, bias));
  }
}

// Blocks of threads that fit into a multiprocessor, by the official sizes.
template <typename T, int kTiles, int kOutTiles, int kGroups, Mode kMode>
constexpr int residents() {
  if (sizeof(T) == 4 || kOutTiles > 1 || kTiles > 1 || kGroups > 1) return 2;
  return kMode == Mode::kNormed ? 4 : 5;
}

// Bytes before what comes behind the weights. The outputs of several groups take the weights'
// place.
template <typename Outs, int kGroups>
__host__ __device__ __forceinline__ int front_bytes(int pitch) {
  constexpr int kOutputBytes = kGroups > 1 ? static_cast<int>(sizeof(Outs)) : 0;
  return Outs::kOuts * pitch > kOutputBytes ? Outs::kOuts * pitch : kOutputBytes;
}

template <typename T, int kTiles, int kOutTiles, int kGroups, Mode kMode>
__global__ void __launch_bounds__(kGroups* kGroupThreads,
                                  (residents<T, kTiles, kOutTiles, kGroups, kMode>()))
    stream_kernel(const RowLinearArguments a) {
  using Outs = Outputs<kTiles, kOutTiles, kGroups>;
  // [kOuts][pitch], behind it kNormed: rows [R][pitch] and more, kAdded: parts.
  extern __shared__ __align__(128) char weights[];
  __shared__ __align__(16) char own_outputs[kGroups == 1 ? sizeof(Outs) : 16];
  __shared__ uint64_t arrived, received;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.y * kSlices;
  const int part_begin = slice_begin(first, a.blocks, a.slices);
  const int part_blocks = slice_begin(first + kSlices, a.blocks, a.slices) - part_begin;
  if (warp == 0) fetch_weights<Outs::kOuts>(a, part_begin, part_blocks, weights, &arrived);
  if (kMode == Mode::kAdded && threadIdx.x == 32) {
    init_barrier(&received);
    expect_bytes(&received, (gridDim.y - 1) * a.rows * Outs::kOuts * sizeof(float));
  }
  let_dependents_start();
  const int out = blockIdx.x * Outs::kOuts + Outs::column();
  T bias = from_float<T>(0);
  if (a.output != RowOutput::kParts) bias = static_cast<const T*>(a.bias)[min(out, a.out - 1)];
  const int slice = warp % kSlices, first_row = warp / kSlices * kTiles * 8;
  const int begin = slice_begin(first + slice, a.blocks, a.slices), in_block = lane % 4 * 16;
  Lane mine;
  mine.blocks = slice_begin(first + slice + 1, a.blocks, a.slices) - begin;
  mine.pitch = weight_pitch(a);
  mine.weights = weights + lane / 4 * mine.pitch + (begin - part_begin) * kBlockBytes + in_block;
  char* const behind = weights + front_bytes<Outs, kGroups>(mine.pitch);
  mine.row_bytes =
      kMode == Mode::kNormed ? mine.pitch : static_cast<size_t>(a.blocks) * kBlockBytes;
  mine.rows = (kMode == Mode::kNormed ? behind : a.x) + (first_row + lane / 4) * mine.row_bytes +
              static_cast<size_t>(begin) * kBlockBytes + in_block;
  if (kMode == Mode::kNormed) make_normed_rows<T, kGroups>(a, behind, mine.pitch);
  if (kMode != Mode::kNormed) settle(mine.rows);
  __syncthreads();  // the barrier is there, and the rows
  if (kMode == Mode::kAdded) sync_cluster();
  if (kMode != Mode::kNormed) wait_for_predecessors();
  float before[Outs::kEach] = {};
  if (kMode == Mode::kAdded && blockIdx.y == 0) {
#pragma unroll
    for (int e = 0; e < Outs::kEach; ++e) {
      const size_t at = static_cast<size_t>(Outs::row(e)) * a.out + out;
      if (Outs::row(e) < a.rows && out < a.out) before[e] = __ldcg(static_cast<float*>(a.y) + at);
    }
  }
  float sums[kOutTiles][kTiles][4] = {};
  multiply<T, kTiles, kOutTiles, kGroups, kMode>(mine, a.rows - first_row, &arrived, sums);
  if (kGroups > 1) __syncthreads();  // nobody reads the weights any more
  Outs& outputs = *reinterpret_cast<Outs*>(kGroups == 1 ? own_outputs : weights);
  outputs.put(sums);
  __syncthreads();
  if (kMode == Mode::kAdded) {
    add_parts(a, out, to_float(bias), before, outputs, reinterpret_cast<float*>(behind), &received);
    return;
  }
  if (out >= a.out) return;
#pragma unroll
  for (int e = 0; e < Outs::kEach; ++e) {
    if (Outs::row(e) >= a.rows) continue;
    write_output<T>(a, blockIdx.y, Outs::row(e), out, outputs.sum(e), to_float(bias));
  }
}

template <typename T, int kTiles, int kOutTiles, int kGroups, Mode kMode>
cudaError_t launch(const RowLinearArguments& a, cudaStream_t stream) {
  using Outs = Outputs<kTiles, kOutTiles, kGroups>;
  const int pitch = weight_pitch(a);
  const unsigned splits = a.slices / kSlices;
  const dim3 grid((a.out + Outs::kOuts - 1) / Outs::kOuts, splits);
  size_t shared = front_bytes<Outs, kGroups>(pitch);
  if (kMode == Mode::kNormed) {
    shared += static_cast<size_t>(a.rows) * pitch + size_t{2} * a.blocks * kBlockBytes;
  } else if (kMode == Mode::kAdded) {
    shared += (splits - 1) * a.rows * Outs::kOuts * sizeof(float);
  }
  return launch_dependent_clusters(stream_kernel<T, kTiles, kOutTiles, kGroups, kMode>, grid,
                                   dim3(1, kMode == Mode::kAdded ? splits : 1), Outs::kThreads,
                                   shared, stream, a);
}

// Whether 32 outputs a block of threads fit: narrow ones spread best, wide ones read many rows less
// often.
bool wide_fits(const RowLinearArguments& a) { return 32 * weight_pitch(a) <= kMostWeightBytes; }

template <typename T, Mode kMode>
cudaError_t launch_rows(const RowLinearArguments& a, cudaStream_t stream) {
  if (a.rows <= 8) return launch<T, 1, 1, 1, kMode>(a, stream);
  if constexpr (sizeof(T) == 2) {
    if (wide_fits(a)) {
      if (a.rows <= 16) return launch<T, 1, 2, 2, kMode>(a, stream);
      if (a.rows <= 24) return launch<T, 2, 2, 2, kMode>(a, stream);
      if constexpr (kMode == Mode::kRows) {  // where row_tiles.cu does not fit
        if (a.rows <= 48) return launch<T, 3, 2, 2, kMode>(a, stream);
        return launch<T, 6, 2, 2, kMode>(a, stream);
      }
    }
  }
  if (a.rows <= 16) return launch<T, 2, 1, 1, kMode>(a, stream);
  return launch<T, 3, 1, 1, kMode>(a, stream);
}

template <typename T>
cudaError_t launch_mode(const RowLinearArguments& a, cudaStream_t stream) {
  if (a.x == nullptr) {
    if constexpr (sizeof(T) == 2) {  // a warp for each row's norm
      if (a.rows > kSlices) return launch<T, 1, 1, 2, Mode::kNormed>(a, stream);
    }
    return launch<T, 1, 1, 1, Mode::kNormed>(a, stream);
  }
  if (a.output == RowOutput::kAdded) return launch_rows<T, Mode::kAdded>(a, stream);
  return launch_rows<T, Mode::kRows>(a, stream);
}

}  // namespace

bool row_streams(const RowLinearArguments& a, ElementType type) {
  const bool grouped = element_bytes(type) == 2 && wide_fits(a);
  const int most_norm_rows = element_bytes(type) == 2 ? kMostNormRows : kMostFloatNormRows;
  const int most_rows = a.x == nullptr                  ? most_norm_rows
                        : !grouped                      ? kMostRows
                        : a.output == RowOutput::kAdded ? kMostAddedRows
                                                        : kMostGroupedRows;
  if (a.rows > most_rows || 16 * weight_pitch(a) > kMostWeightBytes) return false;
  if (a.x == nullptr && a.in > kNormVectors * 128) return false;
  // Fewer bytes than there are only where a multiprocessor has 100 KB.
  const bool groups = grouped && a.rows > 8;  // with their outputs in the weights' place
  const int outs = groups ? 32 : 16, rows = (a.rows + 7) / 8 * 8;
  int bytes = outs * weight_pitch(a);
  if (!groups) bytes += 4 * kSlices * rows * (outs + 4);  // the outputs beside them
  if (a.x == nullptr) bytes += a.rows * weight_pitch(a) + 2 * a.blocks * kBlockBytes;
  if (a.output == RowOutput::kAdded) bytes += 4 * (a.slices / kSlices - 1) * a.rows * outs;
  if (bytes > most_shared_bytes()) return false;
  // Any kernel of this file tells what it was compiled for; older code has no bulk copies.
  cudaFuncAttributes code{};
  const auto kernel = stream_kernel<float, 1, 1, 1, Mode::kRows>;
  return cudaFuncGetAttributes(&code, kernel) == cudaSuccess && code.ptxVersion >= 90;
}

cudaError_t row_stream(const RowLinearArguments& a, ElementType type, cudaStream_t stream) {
  switch (type) {
    case ElementType::kFloat32:
      return launch_mode<float>(a, stream);
    case ElementType::kFloat16:
      return launch_mode<__half>(a, stream);
    case ElementType::kBFloat16:
      return launch_mode<__nv_bfloat16>(a, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace indextts2
