// The flow on one GPU at official sizes with random weights: whole solves, and each kernel class
// against what the device can do. usage: bench_flow [REPEATS]
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/randn.h>
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/cuda_check.h"
#include "cuda/flow_solver.h"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_rows.h"
#include "ops/runtime.h"
#include "support/random_flow.h"

namespace indextts2 {
namespace {

constexpr int kWarmUps = 2;
const at::Device kDevice(at::kCUDA, 0);
int repeats = 7;

struct Median {
  double middle, least, most;
};

Median median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// Milliseconds of call(repetition).
Median timed(const std::function<void(int)>& call) {
  std::vector<double> times;
  for (int i = -kWarmUps; i < repeats; ++i) {
    cuda_check(cudaDeviceSynchronize(), "bench");
    const auto start = std::chrono::steady_clock::now();
    call(i + kWarmUps);
    cuda_check(cudaDeviceSynchronize(), "bench");
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (i >= 0) times.push_back(took.count());
  }
  return median_of(std::move(times));
}

// Milliseconds of one of 20 launches on the default stream.
double launch_ms(const std::function<void()>& launch) {
  constexpr int kLaunches = 20;
  cudaEvent_t start = nullptr, stop = nullptr;
  cuda_check(cudaEventCreate(&start), "bench");
  cuda_check(cudaEventCreate(&stop), "bench");
  std::vector<double> times;
  for (int i = -kWarmUps; i < repeats; ++i) {
    cuda_check(cudaEventRecord(start, nullptr), "bench");
    for (int k = 0; k < kLaunches; ++k) launch();
    cuda_check(cudaEventRecord(stop, nullptr), "bench");
    cuda_check(cudaEventSynchronize(stop), "bench");
    float ms = 0;
    cuda_check(cudaEventElapsedTime(&ms, start, stop), "bench");
    if (i >= 0) times.push_back(static_cast<double>(ms) / kLaunches);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  return median_of(std::move(times)).middle;
}

FlowJob job_of(const FlowSizes& sizes, at::ScalarType type, int64_t prompt, int64_t generated) {
  const FlowProblem problem = moved(random_flow_problem(sizes, prompt, generated), kDevice, type);
  FlowJob job;
  job.input = problem.input;
  job.noise = problem.noise;
  return job;
}

void print_solve(const char* name, int64_t prompt, int64_t generated, int segments, Median ms) {
  std::printf("%-26s P %4lld G %4lld segments %d: %8.2f ms [%.2f-%.2f]\n", name,
              static_cast<long long>(prompt), static_cast<long long>(generated), segments,
              ms.middle, ms.least, ms.most);
  std::fflush(stdout);
}

// Lengths that were never seen: planning counts, and capture where they do not share a graph.
void bench_new_lengths(CudaFlowSolver& solver, const FlowSizes& sizes, at::ScalarType type,
                       int64_t prompt, int64_t apart) {
  std::vector<FlowJob> jobs;
  const int64_t count = repeats + kWarmUps, shortest = 861 - apart * (kWarmUps + repeats / 2);
  for (int64_t i = 0; i < count; ++i) {
    jobs.push_back(job_of(sizes, type, prompt, std::max<int64_t>(shortest, 20) + apart * i));
  }
  print_solve(apart < 64 ? "  new lengths" : "  new graphs", prompt, 861, 1,
              timed([&](int i) { solver.solve({jobs[static_cast<size_t>(i)]}, StopToken()); }));
}

void bench_solves(const char* name, CudaFlowSolver& solver, const FlowSizes& sizes,
                  at::ScalarType type, bool all) {
  for (const int64_t prompt : {430, 1292}) {
    for (const int64_t generated : {172, 861}) {
      for (const int segments : {1, 4}) {
        if (!all && (generated == 172 || segments == 4)) continue;
        std::vector<FlowJob> jobs(static_cast<size_t>(segments),
                                  job_of(sizes, type, prompt, generated));
        print_solve(name, prompt, generated, segments,
                    timed([&](int) { solver.solve(jobs, StopToken()); }));
      }
    }
    if (!all) continue;
    bench_new_lengths(solver, sizes, type, prompt, /*apart=*/9);
    bench_new_lengths(solver, sizes, type, prompt, /*apart=*/70);
  }
}

// What may become the default.
void bench_ways(const std::shared_ptr<const FlowNetwork>& network, const FlowSizes& sizes) {
  const auto bench = [&](const char* name, const FlowSolverOptions& options) {
    CudaFlowSolver solver(network, options);
    bench_solves(name, solver, sizes, at::kBFloat16, /*all=*/true);
  };
  FlowSolverOptions lanes;
  lanes.side_rows = 8192;
  bench("bf16, two lanes", lanes);
  lanes.least_side_rows = 3584;
  bench("bf16, lanes from 3584 rows", lanes);
  FlowSolverOptions fitted;
  fitted.fit_tiles = true;
  bench("bf16, fitted tiles", fitted);
  for (const int count : {8, 16, ProductChoice::kMostCandidates}) {
    FlowSolverOptions more;
    more.products.candidates = count;
    bench(("bf16, " + std::to_string(count) + " candidates").c_str(), more);
  }
  FlowSolverOptions free;
  free.products = {ProductChoice::kMostCandidates, /*equal_bits=*/false};
  bench("bf16, rule of bits off", free);
  lanes.fit_tiles = true;
  lanes.products.candidates = 16;
  bench("bf16, lanes, tiles, 16", lanes);
}

void bench_libtorch(const FlowMatching& flow, const FlowSizes& sizes, at::ScalarType type) {
  for (const int64_t prompt : {430, 1292}) {
    const FlowJob job = job_of(sizes, type, prompt, 861);
    print_solve("LibTorch, bf16", prompt, 861, 1,
                timed([&](int) { flow.solve(job.input, job.noise, job.options, StopToken()); }));
  }
}

// Kernels of one step of a guided segment, each by itself.
class KernelBench {
 public:
  KernelBench(const FlowNetwork& network, FlowType type, const FlowSegment& segment)
      : network_(network),
        type_(type),
        segment_(segment),
        layout_({segment},
                attention_tile_rows(type, static_cast<int>(network.heads),
                                    static_cast<int>(network.head_size), 2 * segment.frames)),
        space_(network, layout_.rows, layout_.head_rows, 64),
        products_(kDevice),
        table_(at::randn({1, 4 * network.width}).to(kDevice, scalar_type_of(type))) {
    for (const at::Tensor& t : {space_.plain, space_.normed, space_.wide, space_.gated, space_.head,
                                space_.taps, space_.head_wide, space_.head_gated}) {
      t.normal_();
    }
    space_.upload(layout_, nullptr);
    measure_device();
  }

  void run() {
    const auto w = static_cast<int>(network_.width), hidden = static_cast<int>(network_.hidden);
    const auto c = static_cast<int>(network_.channels);
    const int rows = layout_.rows, head_rows = layout_.head_rows;
    const double size = type_ == FlowType::kFloat32 ? 4 : 2;
    const FlowNetwork::Layer &layer = network_.layers.front(), &late = network_.layers.back();
    const FlowNetwork::HeadLayer& head = network_.head.front();
    product("qkv", 13, layer.qkv, space_.normed, space_.wide, rows);
    product("attention out", 13, layer.attention_out, space_.normed, space_.middle, rows, true);
    product("gate and up", 13, layer.gate_up, space_.normed, space_.wide, rows);
    product("down", 13, layer.down, space_.gated, space_.middle, rows, true);
    product("skip", 6, late.skip, space_.skips[0], space_.plain, rows);
    product("WaveNet convolution", 8, head.convolve, space_.taps, space_.head_wide, head_rows);
    product("WaveNet output", 8, head.output, space_.head_gated, space_.head, head_rows, true);
    attention();
    const StepTable table{table_.data_ptr(), 4 * w, space_.step};
    bytes("norm", 27, 2.0 * rows * w * size, [&] {
      return rms_norm(type_, {space_.plain.data_ptr(), w}, {space_.normed.data_ptr(), w}, table,
                      rows, w, 1e-5f, nullptr);
    });
    bytes("rotary embedding", 13, 4.0 * rows * w * size, [&] {
      return rotate_rows(type_, space_.wide.data_ptr(),
                         static_cast<const float2*>(space_.rotary.data_ptr()), space_.positions,
                         rows, static_cast<int>(network_.heads),
                         static_cast<int>(network_.head_size), nullptr);
    });
    bytes("SwiGLU", 13, 3.0 * rows * hidden * size, [&] {
      return swiglu(type_, space_.wide.data_ptr(), space_.gated.data_ptr(), rows, hidden, nullptr);
    });
    bytes("unfolding", 8, 6.0 * head_rows * c * size, [&] {
      return unfold_streams(type_, {space_.head.data_ptr(), 2 * c}, space_.taps.data_ptr(),
                            space_.places, head_rows, c, 5, 1, nullptr);
    });
    bytes("tanh gate", 8, 3.0 * head_rows * c * size, [&] {
      return tanh_gate(type_, space_.head_wide.data_ptr(), space_.head_gated.data_ptr(), table,
                       head_rows, c, nullptr);
    });
    std::printf("sum of these in a step: %.3f ms, in 25 steps %.1f ms\n", sum_, 25 * sum_);
  }

 private:
  void measure_device() {
    const int64_t n = 8192;
    const at::Tensor a = at::randn({n, n}).to(kDevice, scalar_type_of(type_)), b = a.clone(),
                     y = a.clone();
    MatrixProduct p;
    p.type = type_;
    p.in = p.out = p.x_stride = p.y_stride = n;
    p.x = a.data_ptr();
    p.weight = b.data_ptr();
    p.y = y.data_ptr();
    products_.prepare(p, n, nullptr);
    peak_ = 2.0 * n * n * n / launch_ms([&] { products_.run(p, n, nullptr); }) * 1e3;
    const size_t bytes = size_t{1} << 30;
    const at::Tensor from = at::empty({static_cast<int64_t>(bytes)}, a.options().dtype(at::kByte));
    const at::Tensor to = at::empty_like(from);
    bandwidth_ = 2.0 * static_cast<double>(bytes) / launch_ms([&] {
                   cuda_check(cudaMemcpyAsync(to.data_ptr(), from.data_ptr(), bytes,
                                              cudaMemcpyDeviceToDevice, nullptr),
                              "bench");
                 }) *
                 1e3;
    std::printf("matrix peak (8192^3) %.0f TFLOP/s, copies %.2f TB/s\n", peak_ * 1e-12,
                bandwidth_ * 1e-12);
  }

  void print(const char* name, int count, double ms, double share, const char* of) {
    sum_ += ms * count;
    std::printf("%-22s x%2d %9.1f us  %5.1f %% of %s\n", name, count, ms * 1e3, 100 * share, of);
  }

  void product(const char* name, int count, const FlowMatrix& matrix, const at::Tensor& x,
               const at::Tensor& y, int rows, bool adds = false) {
    MatrixProduct p;
    p.type = type_;
    p.in = p.x_stride = matrix.in();
    p.out = p.y_stride = matrix.out();
    p.x = x.data_ptr();
    p.weight = matrix.weight.data_ptr();
    p.y = y.data_ptr();
    if (matrix.bias.defined()) p.bias = matrix.bias.data_ptr();
    if (adds) {
      p.add = y.data_ptr();
      p.add_stride = p.y_stride;
    }
    products_.prepare(p, rows, nullptr);
    const double ms = launch_ms([&] { products_.run(p, rows, nullptr); });
    const double flops = 2.0 * rows * static_cast<double>(p.in * p.out);
    print(name, count, ms, flops / (ms * 1e-3) / peak_, "matrix peak");
  }

  void attention() {
    AttentionCall call;
    call.type = type_;
    call.qkv = space_.wide.data_ptr();
    call.out = space_.normed.data_ptr();
    call.tiles = space_.tiles;
    call.tile_count = space_.tile_counts;
    call.max_tiles = layout_.max_tiles;
    call.heads = static_cast<int>(network_.heads);
    call.head_size = static_cast<int>(network_.head_size);
    space_.wide.normal_();
    const double ms = launch_ms([&] { cuda_check(attend_streams(call, nullptr), "bench"); });
    const double frames = segment_.frames, wanted = segment_.frames - segment_.first;
    const double flops = 2 * 4.0 * frames * frames * static_cast<double>(network_.width);
    print("attention", 12, ms, flops / (ms * 1e-3) / peak_, "matrix peak");
    if (attention_takes_largest(type_, call.head_size)) {
      const FlowLayout other({segment_}, kLargestAttentionRows);
      space_.upload(other, nullptr);
      call.tile_rows = kLargestAttentionRows;
      const double tall = launch_ms([&] { cuda_check(attend_streams(call, nullptr), "bench"); });
      print("attention, tiles of 192", 0, tall, flops / (tall * 1e-3) / peak_, "matrix peak");
      space_.upload(layout_, nullptr);
      call.tile_rows = kLargeAttentionRows;
    }
    call.tiles = space_.tiles + space_.room_for_tiles;
    call.tile_count = space_.tile_counts + 1;
    call.max_tiles = layout_.max_head_tiles;
    const double last = launch_ms([&] { cuda_check(attend_streams(call, nullptr), "bench"); });
    print("attention, last layer", 1, last, flops * wanted / frames / (last * 1e-3) / peak_,
          "matrix peak");
  }

  void bytes(const char* name, int count, double moved, const std::function<cudaError_t()>& call) {
    const double ms = launch_ms([&] { cuda_check(call(), "bench"); });
    print(name, count, ms, moved / (ms * 1e-3) / bandwidth_, "copies");
  }

  const FlowNetwork& network_;
  const FlowType type_;
  const FlowSegment segment_;
  const FlowLayout layout_;
  FlowWorkspace space_;
  MatrixProducts products_;
  at::Tensor table_;
  double peak_ = 0, bandwidth_ = 0, sum_ = 0;
};

double relative_rms(const at::Tensor& got, const at::Tensor& want) {
  return std::sqrt(got.sub(want).square().sum().item<double>() /
                   want.square().sum().item<double>());
}

void run() {
  allow_tf32(false);
  const FlowSizes sizes;
  const RandomWeights weights = random_flow_weights(sizes);
  const auto half = random_flow(weights, sizes, kDevice, at::kBFloat16);
  const auto full = random_flow(weights, sizes, kDevice, at::kFloat);
  const auto half_network = std::make_shared<FlowNetwork>(half);
  const auto full_network = std::make_shared<FlowNetwork>(full);
  const auto sixteen_network =
      std::make_shared<FlowNetwork>(random_flow(weights, sizes, kDevice, at::kHalf));
  CudaFlowSolver half_solver(half_network), full_solver(full_network),
      sixteen_solver(sixteen_network);
  bench_solves("bf16", half_solver, sizes, at::kBFloat16, /*all=*/true);
  bench_solves("fp16", sixteen_solver, sizes, at::kHalf, /*all=*/false);
  bench_solves("fp32", full_solver, sizes, at::kFloat, /*all=*/false);
  FlowSolverOptions eager;
  eager.graphs = false;
  CudaFlowSolver single(half_network, eager);
  bench_solves("bf16, no graphs", single, sizes, at::kBFloat16, /*all=*/false);
  bench_ways(half_network, sizes);
  bench_solves("bf16 again", half_solver, sizes, at::kBFloat16, /*all=*/false);
  bench_libtorch(*half, sizes, at::kBFloat16);

  const FlowProblem problem = random_flow_problem(sizes, 430, 400);
  const auto mel_of = [&](FlowSolver& solver, at::ScalarType type) {
    const FlowProblem there = moved(problem, kDevice, type);
    return solver.solve({FlowJob{there.input, there.noise, FlowOptions()}}, StopToken()).front();
  };
  const at::Tensor want = mel_of(full_solver, at::kFloat);
  const FlowProblem there = moved(problem, kDevice, at::kFloat);
  std::printf(
      "relative RMS against fp32: bf16 %.5f, fp16 %.5f; fp32 against LibTorch %.2e\n",
      relative_rms(mel_of(half_solver, at::kBFloat16), want),
      relative_rms(mel_of(sixteen_solver, at::kHalf), want),
      relative_rms(want, full->solve(there.input, there.noise, FlowOptions(), StopToken())));
  const auto bench_kernels = [&](const char* name, const FlowNetwork& network, int32_t prompt) {
    constexpr int32_t kGenerated = 861, kSeenBefore = 16;  // of the prompt by the WaveNet
    std::printf("kernels of one step, P %d G %d, %s:\n", prompt, kGenerated, name);
    KernelBench(network, network.type,
                {prompt + kGenerated, prompt - kSeenBefore, kGenerated, 0.7f})
        .run();
  };
  for (const int32_t prompt : {430, 1292}) bench_kernels("bf16", *half_network, prompt);
  bench_kernels("fp32", *full_network, 1292);
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  if (argc > 1) indextts2::repeats = std::max(1, std::atoi(argv[1]));
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("left out: no CUDA device here\n");
    return 0;
  }
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) == nullptr) {
    std::printf("left out: no LibTorch for CUDA here (%s)\n", dlerror());
    return 0;
  }
  try {
    indextts2::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_flow: %s\n", error.what());
    return 1;
  }
  return 0;
}
