// The flow's elementwise work between its matrix products.
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

__device__ int64_t thread_index() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

// A thread: 8 features of a row.
template <typename T>
__global__ void rotate(T* qkv, const float2* turns, const int32_t* positions, int rows, int width,
                       int head_size) {
  const int eights = 2 * width / 8;
  const int64_t index = thread_index();
  if (index >= static_cast<int64_t>(rows) * eights) return;
  const int row = static_cast<int>(index / eights), column = static_cast<int>(index % eights) * 8;
  const float2* turn =
      turns + static_cast<int64_t>(positions[row]) * (head_size / 2) + column % head_size / 2;
  T* at = qkv + row * (3 * static_cast<int64_t>(width)) + column;
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
  const int eights = width / 8;
  const int64_t index = thread_index();
  if (index >= static_cast<int64_t>(rows) * eights) return;
  const int64_t row = index / eights, column = index % eights * 8;
  Eight gate = load_eight(x + row * 2 * width + column);
  const Eight up = load_eight(x + row * 2 * width + width + column);
#pragma unroll
  for (int i = 0; i < 8; ++i) gate.v[i] = gate.v[i] * sigmoid<T>(gate.v[i]) * up.v[i];
  store_eight(out + row * width + column, gate);
}

template <typename T>
__global__ void gate_rows(const T* x, T* out, StepTable table, int rows, int width) {
  const int eights = width / 8;
  const int64_t index = thread_index();
  if (index >= static_cast<int64_t>(rows) * eights) return;
  const int64_t row = index / eights, column = index % eights * 8;
  const T* bias = static_cast<const T*>(table.data) + *table.step * table.stride + column;
  Eight left = load_eight(x + row * 2 * width + column);
  const Eight right = load_eight(x + row * 2 * width + width + column);
  const Eight left_bias = load_eight(bias), right_bias = load_eight(bias + width);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    left.v[i] = hyperbolic_tangent<T>(left.v[i] + left_bias.v[i]) *
                sigmoid<T>(right.v[i] + right_bias.v[i]);
  }
  store_eight(out + row * width + column, left);
}

// Copies know no arithmetic: rows of 16-byte pieces.
__global__ void unfold(const uint4* x, int64_t stride, uint4* out, const HeadRow* places, int rows,
                       int pieces, int kernel, int dilation) {
  const int64_t index = thread_index();
  if (index >= static_cast<int64_t>(rows) * kernel * pieces) return;
  const int piece = static_cast<int>(index % pieces);
  const int tap = static_cast<int>(index / pieces % kernel);
  const int row = static_cast<int>(index / pieces / kernel);
  const HeadRow place = places[row];
  uint4 value = make_uint4(0, 0, 0, 0);
  if (place.count > 0) {
    int frame = row - place.begin + (tap - kernel / 2) * dilation;
    const int last = place.count - 1;
    frame = frame < 0 ? -frame : frame;
    frame = frame > last ? 2 * last - frame : frame;
    value = x[(place.begin + frame) * stride + piece];
  }
  out[index] = value;
}

__global__ void gather(const uint4* x, int64_t stride, uint4* out, int64_t out_stride,
                       const HeadRow* places, int rows, int pieces) {
  const int64_t index = thread_index();
  if (index >= static_cast<int64_t>(rows) * pieces) return;
  const int64_t row = index / pieces, piece = index % pieces;
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
  const int64_t index = thread_index();
  if (index >= static_cast<int64_t>(*state.row_count) * state.mel) return;
  const int column = static_cast<int>(index % state.mel);
  const FlowStateRow row = state.rows[index / state.mel];
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

__global__ void count_up(int32_t* step) { ++*step; }

template <typename T>
cudaError_t launch_advance(const FlowState& state, const float* velocity, const void* bias,
                           const float* widths, const int32_t* step, cudaStream_t on) {
  const int64_t count = static_cast<int64_t>(state.max_rows) * state.mel;
  if (count == 0) return cudaSuccess;
  advance<T><<<blocks_for(count), kThreads, 0, on>>>(state, velocity, static_cast<const T*>(bias),
                                                     widths, step);
  return cudaGetLastError();
}

}  // namespace

cudaError_t rotate_rows(FlowType type, void* qkv, const float2* turns, const int32_t* positions,
                        int rows, int heads, int head_size, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const int width = heads * head_size;
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    rotate<<<blocks_for(int64_t{rows} * (2 * width / 8)), kThreads, 0, on>>>(
        static_cast<T*>(qkv), turns, positions, rows, width, head_size);
    return cudaGetLastError();
  });
}

cudaError_t swiglu(FlowType type, const void* x, void* out, int rows, int width, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    swiglu_rows<<<blocks_for(int64_t{rows} * (width / 8)), kThreads, 0, on>>>(
        static_cast<const T*>(x), static_cast<T*>(out), rows, width);
    return cudaGetLastError();
  });
}

cudaError_t tanh_gate(FlowType type, const void* x, void* out, StepTable table, int rows, int width,
                      cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    gate_rows<<<blocks_for(int64_t{rows} * (width / 8)), kThreads, 0, on>>>(
        static_cast<const T*>(x), static_cast<T*>(out), table, rows, width);
    return cudaGetLastError();
  });
}

cudaError_t unfold_streams(FlowType type, FlowRows x, void* out, const HeadRow* places, int rows,
                           int width, int kernel, int dilation, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const int64_t size = static_cast<int64_t>(element_bytes(type));
  const int pieces = static_cast<int>(width * size / 16);
  unfold<<<blocks_for(int64_t{rows} * kernel * pieces), kThreads, 0, on>>>(
      static_cast<const uint4*>(x.data), x.stride * size / 16, static_cast<uint4*>(out), places,
      rows, pieces, kernel, dilation);
  return cudaGetLastError();
}

cudaError_t gather_head(FlowType type, FlowRows x, FlowRows out, const HeadRow* places, int rows,
                        int width, cudaStream_t on) {
  if (rows == 0) return cudaSuccess;
  const int64_t size = static_cast<int64_t>(element_bytes(type));
  const int pieces = static_cast<int>(width * size / 16);
  gather<<<blocks_for(int64_t{rows} * pieces), kThreads, 0, on>>>(
      static_cast<const uint4*>(x.data), x.stride * size / 16, static_cast<uint4*>(out.data),
      out.stride * size / 16, places, rows, pieces);
  return cudaGetLastError();
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
  count_up<<<1, 1, 0, on>>>(step);
  return cudaGetLastError();
}

}  // namespace indextts2
