// The flow on one GPU at official sizes with random weights: whole solves, and each kernel class
// against what the device can do. usage: bench_flow [REPEATS]
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
#include "flow_ops.h"
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

// Other options than the default ones.
void bench_ways(const std::shared_ptr<const FlowNetwork>& network, const FlowSizes& sizes) {
  const auto bench = [&](const char* name, const FlowSolverOptions& options) {
    CudaFlowSolver solver(network, options);
    bench_solves(name, solver, sizes, at::kBFloat16, /*all=*/true);
  };
  FlowSolverOptions one_lane;
  one_lane.side_rows = 0;
  bench("bf16, one lane", one_lane);
  for (const int count : {4, 16, ProductChoice::kMostCandidates}) {
    FlowSolverOptions more;
    more.products.candidates = count;
    bench(("bf16, " + std::to_string(count) + " candidates").c_str(), more);
  }
  FlowSolverOptions free;
  free.products = {ProductChoice::kMostCandidates, /*equal_bits=*/false};
  bench("bf16, rule of bits off", free);
}

void bench_libtorch(const FlowMatching& flow, const FlowSizes& sizes, at::ScalarType type) {
  for (const int64_t prompt : {430, 1292}) {
    const FlowJob job = job_of(sizes, type, prompt, 861);
    print_solve("LibTorch, bf16", prompt, 861, 1,
                timed([&](int) { flow.solve(job.input, job.noise, job.options, StopToken()); }));
  }
}

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
  FlowSolverOptions by_cublas, of_warps;
  by_cublas.products.own_floats = false;
  of_warps.products.float_tile = FloatTile::kFastest;
  CudaFlowSolver cublas_solver(full_network, by_cublas), of_warps_solver(full_network, of_warps);
  bench_solves("fp32, cuBLASLt", cublas_solver, sizes, at::kFloat, /*all=*/false);
  bench_solves("fp32, products of warps", of_warps_solver, sizes, at::kFloat, /*all=*/false);
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
  constexpr int32_t kGenerated = 861;
  const auto bench_kernels = [&](const char* name, const FlowNetwork& network, int32_t prompt,
                                 const DeviceLimits& limits) {
    print_ops("kernels of one step, P " + std::to_string(prompt) + " G 861, " + name,
              flow_ops(network, flow_segment(prompt, kGenerated)), limits);
  };
  const DeviceLimits half_limits = measure_limits(FlowType::kBFloat16);
  for (const int32_t prompt : {430, 1292}) {
    bench_kernels("bf16", *half_network, prompt, half_limits);
  }
  bench_kernels("fp32", *full_network, 1292, measure_limits(FlowType::kFloat32));
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
