// The order of launches in a step, on kernels that are loops of the host: shows on any machine that
// packed flows are the module's. No CUDA is linked.
#include "cuda/flow_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda/kernels/device_code.h"
#include "cuda/kernels/flow_attention.h"
#include "ops/host_tensor.h"
#include "support/near.h"
#include "support/random_flow.h"

// What the glue calls of CUDA.
extern "C" cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                                       cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
extern "C" const char* cudaGetErrorString(cudaError_t) { return "host"; }
extern "C" cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }

namespace indextts2 {
namespace {

float* row_of(const FlowRows& rows, int64_t row) {
  return static_cast<float*>(rows.data) + row * rows.stride;
}

const float* entry(const StepTable& table) {
  return static_cast<const float*>(table.data) + *table.step * table.stride;
}

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

cudaError_t norm(FlowRows x, FlowRows out, StepTable table, int rows, int width, float eps,
                 bool centered) {
  for (int row = 0; row < rows; ++row) {
    const float* from = row_of(x, row);
    double mean = 0.0, square = 0.0;
    for (int i = 0; i < width && centered; ++i) mean += from[i] / static_cast<double>(width);
    for (int i = 0; i < width; ++i) square += (from[i] - mean) * (from[i] - mean) / width;
    const double factor = 1.0 / std::sqrt(square + eps);
    for (int i = 0; i < width; ++i) {
      row_of(out, row)[i] =
          static_cast<float>((from[i] - mean) * factor) * entry(table)[i] + entry(table)[width + i];
    }
  }
  return cudaSuccess;
}

void feed(const FlowState& state, int64_t index) {
  for (int branch = 0; branch < 2; ++branch) {
    const FlowStateRow& row = state.rows[index];
    if (row.trunk[branch] < 0) continue;
    const float* x = state.x + index * state.mel;
    std::copy(x, x + state.mel, row_of(state.trunk, row.trunk[branch]));
    std::copy(x, x + state.mel, row_of(state.head, row.head[branch]));
  }
}

}  // namespace

cudaError_t rms_norm(FlowType, FlowRows x, FlowRows out, StepTable table, int rows, int width,
                     float eps, cudaStream_t) {
  return norm(x, out, table, rows, width, eps, /*centered=*/false);
}
cudaError_t layer_norm(FlowType, FlowRows x, FlowRows out, StepTable table, int rows, int width,
                       float eps, cudaStream_t) {
  return norm(x, out, table, rows, width, eps, /*centered=*/true);
}

cudaError_t rotate_rows(FlowType, void* qkv, const float2* turns, const int32_t* positions,
                        int rows, int heads, int head_size, cudaStream_t) {
  const int width = heads * head_size;
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < 2 * width; i += 2) {
      float* pair = static_cast<float*>(qkv) + row * 3 * width + i;
      const float2 turn = turns[positions[row] * head_size / 2 + i % head_size / 2];
      const float real = pair[0], imaginary = pair[1];
      pair[0] = real * turn.x - imaginary * turn.y;
      pair[1] = real * turn.y + imaginary * turn.x;
    }
  }
  return cudaSuccess;
}

cudaError_t swiglu(FlowType, const void* x, void* out, int rows, int width, cudaStream_t) {
  for (int row = 0; row < rows; ++row) {
    const float* from = static_cast<const float*>(x) + row * 2 * width;
    for (int i = 0; i < width; ++i) {
      static_cast<float*>(out)[row * width + i] = from[i] * sigmoid(from[i]) * from[width + i];
    }
  }
  return cudaSuccess;
}

cudaError_t tanh_gate(FlowType, const void* x, void* out, StepTable table, int rows, int width,
                      cudaStream_t) {
  for (int row = 0; row < rows; ++row) {
    const float* from = static_cast<const float*>(x) + row * 2 * width;
    for (int i = 0; i < width; ++i) {
      static_cast<float*>(out)[row * width + i] =
          std::tanh(from[i] + entry(table)[i]) * sigmoid(from[width + i] + entry(table)[width + i]);
    }
  }
  return cudaSuccess;
}

cudaError_t unfold_streams(FlowType, FlowRows x, void* out, const HeadRow* places, int rows,
                           int width, int kernel, int dilation, cudaStream_t) {
  for (int row = 0; row < rows; ++row) {
    for (int tap = 0; tap < kernel; ++tap) {
      float* to = static_cast<float*>(out) + (row * kernel + tap) * width;
      std::fill(to, to + width, 0.0f);
      if (places[row].count == 0) continue;
      int frame = std::abs(row - places[row].begin + (tap - kernel / 2) * dilation);
      const int last = places[row].count - 1;
      if (frame > last) frame = 2 * last - frame;
      const float* from = row_of(x, places[row].begin + frame);
      std::copy(from, from + width, to);
    }
  }
  return cudaSuccess;
}

cudaError_t gather_head(FlowType, FlowRows x, FlowRows out, const HeadRow* places, int rows,
                        int width, cudaStream_t) {
  for (int row = 0; row < rows; ++row) {
    const float* from = row_of(x, places[row].trunk);
    std::copy(from, from + width, row_of(out, row));
  }
  return cudaSuccess;
}

cudaError_t spread_state(const FlowState& state, cudaStream_t) {
  for (int i = 0; i < *state.row_count; ++i) feed(state, i);
  return cudaSuccess;
}

cudaError_t euler_step(const FlowState& state, const float* velocity, const void* bias,
                       const float* widths, const int32_t* step, cudaStream_t) {
  EXPECT_LE(*state.row_count, state.max_rows);
  for (int i = 0; i < *state.row_count; ++i) {
    const FlowStateRow& row = state.rows[i];
    for (int k = 0; k < state.mel; ++k) {
      const float offset = static_cast<const float*>(bias)[k];
      float v = velocity[row.head[0] * state.mel + k] + offset;
      if (row.head[1] >= 0) {
        v = v * (1 + row.guidance) -
            row.guidance * (velocity[row.head[1] * state.mel + k] + offset);
      }
      state.x[i * state.mel + k] += widths[*step] * v;
    }
    feed(state, i);
  }
  return cudaSuccess;
}

cudaError_t next_step(int32_t* step, cudaStream_t) {
  ++*step;
  return cudaSuccess;
}

bool attention_supports(int) { return true; }

cudaError_t attend_streams(const AttentionCall& call, cudaStream_t) {
  const int size = call.head_size, width = call.heads * size;
  EXPECT_LE(*call.tile_count, call.max_tiles);
  const auto* qkv = static_cast<const float*>(call.qkv);
  for (int t = 0; t < *call.tile_count; ++t) {
    const AttentionTile& tile = call.tiles[t];
    for (int query = 0; query < tile.queries; ++query) {
      for (int head = 0; head < call.heads; ++head) {
        const float* q = qkv + (tile.query_row + query) * 3 * width + head * size;
        std::vector<double> result(static_cast<size_t>(size));
        double sum = 0.0;
        for (int key = 0; key < tile.keys; ++key) {
          const float* k = qkv + (tile.key_row + key) * 3 * width + width + head * size;
          double score = 0.0;
          for (int i = 0; i < size; ++i) score += q[i] * k[i];
          const double weight = std::exp(score / std::sqrt(static_cast<double>(size)));
          sum += weight;
          for (int i = 0; i < size; ++i) result[static_cast<size_t>(i)] += weight * k[width + i];
        }
        float* out = static_cast<float*>(call.out) + (tile.out_row + query) * width + head * size;
        for (int i = 0; i < size; ++i) {
          out[i] = static_cast<float>(result[static_cast<size_t>(i)] / sum);
        }
      }
    }
  }
  return cudaSuccess;
}

bool has_device_code(int) { return true; }

MatrixProducts::MatrixProducts(at::Device device, ProductChoice how) : device_(device), how_(how) {}
MatrixProducts::~MatrixProducts() = default;
void MatrixProducts::prepare(const MatrixProduct&, int64_t, cudaStream_t) {}
void MatrixProducts::run(const MatrixProduct& p, int64_t rows, cudaStream_t) {
  const auto *x = static_cast<const float*>(p.x), *weight = static_cast<const float*>(p.weight);
  const auto *bias = static_cast<const float*>(p.bias), *add = static_cast<const float*>(p.add);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t o = 0; o < p.out; ++o) {
      float sum = 0.0f;
      for (int64_t i = 0; i < p.in; ++i) sum += x[row * p.x_stride + i] * weight[o * p.in + i];
      if (bias != nullptr) sum += bias[o];
      if (add != nullptr) sum += add[row * p.add_stride + o];
      static_cast<float*>(p.y)[row * p.y_stride + o] = sum;
    }
  }
}

namespace {

// An even and an odd number of layers, other widths in trunk and head.
void expect_module(const FlowSizes& sizes, bool split) {
  const auto flow = random_flow(random_flow_weights(sizes), sizes, at::kCPU, at::kFloat);
  const FlowNetwork network(flow);
  const std::vector<FlowProblem> problems = {random_flow_problem(sizes, 30, 9),
                                             random_flow_problem(sizes, 1, 12),
                                             random_flow_problem(sizes, 5, 20)};
  const double guidances[] = {0.7, split ? 0.4 : 0.0, 1.3};
  std::vector<FlowSegment> segments;
  for (size_t i = 0; i < problems.size(); ++i) {
    const int64_t frames = problems[i].noise.size(2), prompt = problems[i].input.prompt.size(2);
    segments.push_back({static_cast<int32_t>(frames),
                        static_cast<int32_t>(flow->dit.first_needed(prompt, frames)),
                        static_cast<int32_t>(frames - prompt), static_cast<float>(guidances[i])});
  }
  const FlowLayout layout(segments, kAttentionRows, split);
  EXPECT_EQ(layout.lanes, split ? 2 : 1);
  FlowWorkspace space(network, layout.rows + 64, layout.head_rows + 32, 8);
  space.upload(layout, nullptr);
  for (const at::Tensor& t : {space.merged, space.x_trunk, space.normed_x}) t.zero_();
  for (size_t i = 0; i < problems.size(); ++i) {
    const FlowInput& input = problems[i].input;
    const at::Tensor merged =
        flow->dit.constants(input.prompt.transpose(1, 2), input.cond, input.style, guidances[i] > 0)
            .merged.view({-1, segments[i].frames, sizes.width});
    for (int64_t branch = 0; branch < merged.size(0); ++branch) {
      const int32_t row = layout.stream_row[i][static_cast<size_t>(branch)];
      space.merged.narrow(0, row, segments[i].frames).copy_(merged.select(0, branch));
    }
    space.x.narrow(0, layout.segment_state[i], segments[i].generated)
        .copy_(problems[i].noise[0].narrow(1, input.prompt.size(2), segments[i].generated).t());
  }
  constexpr int64_t kSteps = 3;
  const FlowSchedule schedule = flow_schedule(kSteps);
  const DitTimes tables = flow->dit.times(float_tensor(schedule.times));
  const FlowTimes times{
      {tables.norms.contiguous(), tables.wavenet.contiguous(), tables.head.contiguous()},
      float_tensor(schedule.widths)};
  MatrixProducts products(at::kCPU);
  const FlowExtent extent{layout.lanes, layout.rows, layout.head_rows, layout.max_tiles,
                          layout.max_head_tiles};
  FlowStep step(network, space, products, times, extent, FlowStep::Mode::kRun, nullptr);
  step.feed();
  for (int64_t i = 0; i < kSteps; ++i) {
    for (int32_t lane = layout.lanes; lane > 0; --lane) step.run_lane(lane - 1);
    step.finish();
  }
  for (size_t i = 0; i < problems.size(); ++i) {
    FlowOptions options;
    options.steps = kSteps;
    options.guidance = guidances[i];
    const at::Tensor want = flow->solve(problems[i].input, problems[i].noise, options, StopToken());
    const at::Tensor got =
        space.x.narrow(0, layout.segment_state[i], segments[i].generated).t().unsqueeze(0);
    EXPECT_LT(largest_difference(got, want), 1e-4 * want.abs().max().item<double>()) << i;
  }
}

TEST(FlowStep, IsTheModule) {
  for (const bool split : {false, true}) {
    expect_module({64, 2, 5, 48, 32, 3, 5, 16, 24, 8}, split);
    expect_module({32, 1, 4, 40, 48, 2, 3, 24, 16, 8}, split);
    expect_module({32, 1, 1, 24, 32, 1, 5, 16, 16, 8}, split);
  }
}

}  // namespace
}  // namespace indextts2
