// The flow's elementwise work between its matrix products.
#include "cuda/kernels/dependent_launch.cuh"
#include "cuda/kernels/flow_dispatch.cuh"
#include "cuda/kernels/flow_rows.h"
#include "cuda/kernels/flow_vector.cuh"

namespace indextts2 {
namespace {

constexpr unsigned kThreads = 256;

// Transcendentals of the half types may be short: their results are rounded to 8 or 11 bits.
template <typename T>
__device__ float sigmoid(float x) {
  return __fdividef(1.0f, 1.0f + __expf(-x));
}
template <>
__device__ float sigmoid<float>(float x) {
  return 1.0f / (1.0f + expf(-x));
}
template <typename T>
__device__ float hyperbolic_tangent(float x) {
  return 1.0f - __fdividef(2.0f, 1.0f + __expf(2.0f * fminf(x, 40.0f)));
}
template <>
__device__ float hyperbolic_tangent<float>(float x) {
  return tanhf(x);
}

// Each kernel asks for it first: what the kernels before it wrote is there from then on. 32 bits,
// which divide fast, count the 16-byte pieces of 32 GB.
__device__ unsigned thread_index() {
  let_dependents_start();
  wait_for_predecessors();
  return blockIdx.x * blockDim.x + threadIdx.x;
}

// The row and the first column of piece `index` of rows of `eights` pieces of 8 elements.
struct Piece {
  __device__ Piece(unsigned index, unsigned eights)
      : row(index / eights), column(static_cast<int>(index - index / eights * eights) * 8) {}
  int64_t row;
  int column;
};

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

// A thread: 8 features of a row.
template <typename T>
__global__ void rotate(T* qkv, const float2* turns, const int32_t* positions, int rows, int width,
                       int head_size) {
  const unsigned eights = 2 * width / 8, index = thread_index();
  if (index >= rows * eights) return;
  const Piece piece(index, eights);
  const float2* turn = turns + static_cast<int64_t>(positions[piece.row]) * (head_size / 2) +
                       piece.column % head_size / 2;
  T* at = qkv + piece.row * 3 * width + piece.column;
  Eight x = load_eight(at);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 t = turn[i];
    const float real = x.v[2 * i], imaginary = x.v[2 * i + 1];
    x.v[2 * i] = real * t.x - imaginary * t.y;
    x.v[2 * i + 1] = real * t.y + imaginary * t.x;
  }
  store_eight(at, x);
}

template <typename T>
__global__ void swiglu_rows(const T* x, T* out, int rows, int width) {
  const unsigned eights = width / 8, index = thread_index();
  if (index >= rows * eights) return;
  const Piece piece(index, eights);
  const T* at = x + piece.row * 2 * width + piece.column;
  Eight gate = load_eight(at);
  const Eight up = load_eight(at + width);
#pragma unroll
  for (int i = 0; i < 8; ++i) gate.v[i] = gate.v[i] * sigmoid<T>(gate.v[i]) * up.v[i];
  store_eight(out + piece.row * width + piece.column, gate);
}

template <typename T>
__global__ void gate_rows(const T* x, T* out, StepTable table, int rows, int width) {
  const unsigned eights = width / 8, index = thread_index();
  if (index >= rows * eights) return;
  const Piece piece(index, eights);
  const T* bias = static_cast<const T*>(table.data) + *table.step * table.stride + piece.column;
  const T* at = x + piece.row * 2 * width + piece.column;
  Eight left = load_eight(at);
  const Eight right = load_eight(at + width);
  const Eight left_bias = load_eight(bias), right_bias = load_eight(bias + width);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    left.v[i] = hyperbolic_tangent<T>(left.v[i] + left_bias.v[i]) *
                sigmoid<T>(right.v[i] + right_bias.v[i]);
  }
  store_eight(out + piece.row * width + piece.column, left);
}

// Copies know no arithmetic: rows of 16-byte pieces.
__global__ void unfold(const uint4* x, int64_t stride, uint4* out, const HeadRow* places, int rows,
                       unsigned pieces, unsigned kernel, int dilation) {
  const unsigned index = thread_index();
  if (index >= rows * kernel * pieces) return;
  const unsigned block = index / pieces, piece = index - block * pieces;
  const int row = static_cast<int>(block / kernel);
  const int tap = static_cast<int>(block) - row * static_cast<int>(kernel);
  const HeadRow place = places[row];
  uint4 value = make_uint4(0, 0, 0, 0);
  if (place.count > 0) {
    int frame = row - place.begin + (tap - static_cast<int>(kernel) / 2) * dilation;
    const int last = place.count - 1;
    frame = frame < 0 ? -frame : frame;
    frame = frame > last ? 2 * last - frame : frame;
    value = x[(place.begin + frame) * stride + piece];
  }
  out[index] = value;
}

__global__ void gather(const uint4* x, int64_t stride, uint4* out, int64_t out_stride,
                       const HeadRow* places, int rows, unsigned pieces) {
  const unsigned index = thread_index();
  if (index >= rows * pieces) return;
  const int64_t row = index / pieces, piece = index - index / pieces * pieces;
  const HeadRow place = places[row];
  out[row * out_stride + piece] =
      place.count > 0 ? x[place.trunk * stride + piece] : make_uint4(0, 0, 0, 0);
}

template <typename T>
__device__ void feed(const FlowState& state, const FlowStateRow& row, int column, float x) {
#pragma unroll
  for (int branch = 0; branch < 2; ++branch) {
    if (row.trunk[branch] < 0) continue;
    store_one(static_cast<T*>(state.trunk.data) + row.trunk[branch] * state.trunk.stride + column,
              x);
    store_one(static_cast<T*>(state.head.data) + row.head[branch] * state.head.stride + column, x);
  }
}

// A thread: one value of the state. Without `velocity` the state is only fed.
template <typename T>
__global__ void advance(FlowState state, const float* velocity, const T* bias, const float* widths,
                        const int32_t* step) {
  const unsigned index = thread_index(), mel = state.mel;
  if (index >= *state.row_count * mel) return;
  const int column = static_cast<int>(index % mel);
  const FlowStateRow row = state.rows[index / mel];
  float x = state.x[index];
  if (velocity != nullptr) {
    const float offset = static_cast<float>(bias[column]);
    float v = velocity[static_cast<int64_t>(row.head[0]) * state.mel + column] + offset;
    if (row.head[1] >= 0) {
      const float other = velocity[static_cast<int64_t>(row.head[1]) * state.mel + column] + offset;
      v = v * (1.0f + row.guidance) - row.guidance * other;
    }
    x += widths[*step] * v;
    state.x[index] = x;
  }
  feed<T>(state, row, column, x);
}

__global__ void count_up(int32_t* step) {
  wait_for_predecessors();
  ++*step;
}

template <typename T>
cudaError_t launch_advance(const FlowState& state, const float* velocity, const void* bias,
                           const float* widths, const int32_t* step, cudaStream_t on) {
  const int64_t count = static_cast<int64_t>(state.max_rows) * state.mel;
  if (count == 0) return cudaSuccess;
  return launch_dependent(advance<T>, blocks_for(count), kThreads, 0, on, state, velocity,
                          static_cast<const T*>(bias), widths, step);
}

}  // namespace

cudaError_t rotate_rows(FlowType type, void* qkv, const float2* turns, const int32_t* positions,
                        int rows, int heads, int head_size, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const int width = heads * head_size;
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    return launch_dependent(rotate<T>, blocks_for(int64_t{rows} * (2 * width / 8)), kThreads, 0, on,
                            static_cast<T*>(qkv), turns, positions, rows, width, head_size);
  });
}

cudaError_t swiglu(FlowType type, const void* x, void* out, int rows, int width, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    return launch_dependent(swiglu_rows<T>, blocks_for(int64_t{rows} * (width / 8)), kThreads, 0,
                            on, static_cast<const T*>(x), static_cast<T*>(out), rows, width);
  });
}

cudaError_t tanh_gate(FlowType type, const void* x, void* out, StepTable table, int rows, int width,
                      cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    return launch_dependent(gate_rows<T>, blocks_for(int64_t{rows} * (width / 8)), kThreads, 0, on,
                            static_cast<const T*>(x), static_cast<T*>(out), table, rows, width);
  });
}

cudaError_t unfold_streams(FlowType type, FlowRows x, void* out, const HeadRow* places, int rows,
                           int width, int kernel, int dilation, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const int64_t size = static_cast<int64_t>(element_bytes(type));
  const int pieces = static_cast<int>(width * size / 16);
  return launch_dependent(unfold, blocks_for(int64_t{rows} * kernel * pieces), kThreads, 0, on,
                          static_cast<const uint4*>(x.data), x.stride * size / 16,
                          static_cast<uint4*>(out), places, rows, pieces, kernel, dilation);
}

cudaError_t gather_head(FlowType type, FlowRows x, FlowRows out, const HeadRow* places, int rows,
                        int width, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const int64_t size = static_cast<int64_t>(element_bytes(type));
  const int pieces = static_cast<int>(width * size / 16);
  return launch_dependent(gather, blocks_for(int64_t{rows} * pieces), kThreads, 0, on,
                          static_cast<const uint4*>(x.data), x.stride * size / 16,
                          static_cast<uint4*>(out.data), out.stride * size / 16, places, rows,
                          pieces);
}

cudaError_t spread_state(const FlowState& state, cudaStream_t on) {
  return with_type(state.type, [&](auto zero) {
    return launch_advance<decltype(zero)>(state, nullptr, nullptr, nullptr, nullptr, on);
  });
}

cudaError_t euler_step(const FlowState& state, const float* velocity, const void* bias,
                       const float* widths, const int32_t* step, cudaStream_t on) {
  return with_type(state.type, [&](auto zero) {
    return launch_advance<decltype(zero)>(state, velocity, bias, widths, step, on);
  });
}

cudaError_t next_step(int32_t* step, cudaStream_t on) {
  return launch_dependent(count_up, 1, 1, 0, on, step);
}

}  // namespace indextts2
