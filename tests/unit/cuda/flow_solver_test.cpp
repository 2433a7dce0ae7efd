// The CUDA solver of flows against the module on the CPU, and its independence of the neighbours.
#include "cuda/flow_solver.h"

#include <cmath>

#include "core/error.h"
#include "cuda_torch.h"
#include "support/near.h"
#include "support/random_flow.h"

namespace indextts2 {
namespace {

constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16, at::kHalf};
const at::Device kDevice(at::kCUDA, 0);

// Heads of 64 and of 32.
const FlowSizes kSmall{128, 2, 5, 192, 64, 3, 5, 80, 40, 16};
const FlowSizes kNarrow{160, 5, 4, 96, 80, 2, 3, 80, 24, 8};

double relative_rms(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor a = got.to(at::kCPU).to(at::kDouble), b = want.to(at::kCPU).to(at::kDouble);
  return std::sqrt(a.sub(b).square().sum().item<double>() / b.square().sum().item<double>());
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) { return a.equal(b); }

FlowJob job_of(const FlowProblem& problem, at::ScalarType type, int64_t steps,
               double guidance = 0.7) {
  const FlowProblem there = moved(problem, kDevice, type);
  FlowJob job;
  job.input = there.input;
  job.noise = there.noise;
  job.options.steps = steps;
  job.options.guidance = guidance;
  return job;
}

std::unique_ptr<CudaFlowSolver> solver_of(const RandomWeights& weights, const FlowSizes& sizes,
                                          at::ScalarType type, FlowSolverOptions options = {}) {
  return std::make_unique<CudaFlowSolver>(
      std::make_shared<FlowNetwork>(random_flow(weights, sizes, kDevice, type)), options);
}

at::Tensor alone(CudaFlowSolver& solver, const FlowJob& job) {
  return solver.solve({job}, StopToken()).front();
}

struct Length {
  int64_t prompt, generated;
  double guidance;
};

// The shortest head, one without prompt halo, one without guidance, odd lengths.
const std::vector<Length> kLengths = {{130, 75, 0.7}, {1, 9, 0.7},   {301, 200, 0.7},
                                      {40, 33, 0.0},  {7, 150, 1.3}, {64, 64, 0.7}};

struct Pack {
  std::vector<FlowProblem> problems;
  std::vector<FlowJob> jobs;
};

Pack pack_of(const FlowSizes& sizes, at::ScalarType type, int64_t steps) {
  Pack pack;
  for (const Length& length : kLengths) {
    pack.problems.push_back(random_flow_problem(sizes, length.prompt, length.generated));
    pack.jobs.push_back(job_of(pack.problems.back(), type, steps, length.guidance));
  }
  return pack;
}

void expect_module(const FlowSizes& sizes, at::ScalarType type, double bound) {
  const RandomWeights weights = random_flow_weights(sizes);
  const auto definition = random_flow(weights, sizes, at::kCPU, at::kFloat);
  const auto solver = solver_of(weights, sizes, type);
  const Pack pack = pack_of(sizes, type, 6);
  const std::vector<at::Tensor> mels = solver->solve(pack.jobs, StopToken());
  for (size_t i = 0; i < mels.size(); ++i) {
    const at::Tensor want = definition->solve(pack.problems[i].input, pack.problems[i].noise,
                                              pack.jobs[i].options, StopToken());
    ASSERT_EQ(mels[i].sizes(), want.sizes());
    EXPECT_EQ(mels[i].scalar_type(), at::kFloat);
    EXPECT_LT(relative_rms(mels[i], want), bound) << "segment " << i << " among others";
    EXPECT_TRUE(same_bits(alone(*solver, pack.jobs[i]), mels[i])) << "segment " << i << " alone";
  }
}

// What the other tests compare with; runs without a GPU as well.
TEST(RandomFlow, GivesFiniteMels) {
  have_cuda_torch();
  for (const FlowSizes& sizes : {kSmall, kNarrow}) {
    const auto flow = random_flow(random_flow_weights(sizes), sizes, at::kCPU, at::kFloat);
    const FlowProblem problem = random_flow_problem(sizes, 40, 20);
    FlowOptions options;
    options.steps = 6;
    const at::Tensor mel = flow->solve(problem.input, problem.noise, options, StopToken());
    const double deviation = mel.square().mean().sqrt().item<double>();
    EXPECT_GT(deviation, 0.1);
    EXPECT_LT(deviation, 100.0);
    EXPECT_FALSE(FlowNetwork::supports(*flow));
  }
}

TEST(CudaFlowSolver, FloatIsThatOfTheModule) {
  if (!have_cuda_torch()) return;
  expect_module(kSmall, at::kFloat, 1e-5);
  expect_module(kNarrow, at::kFloat, 1e-5);
}

TEST(CudaFlowSolver, HalfPrecisionsStayNear) {
  if (!have_cuda_torch()) return;
  for (const FlowSizes& sizes : {kSmall, kNarrow}) {
    expect_module(sizes, at::kBFloat16, 0.05);
    expect_module(sizes, at::kHalf, 0.01);
  }
}

TEST(CudaFlowSolver, SingleLaunchesGiveTheBitsOfGraphs) {
  if (!have_cuda_torch()) return;
  for (const at::ScalarType type : kTypes) {
    const RandomWeights weights = random_flow_weights(kSmall);
    FlowSolverOptions eager;
    eager.graphs = false;
    const auto by_graph = solver_of(weights, kSmall, type);
    const auto by_launches = solver_of(weights, kSmall, type, eager);
    const Pack pack = pack_of(kSmall, type, 5);
    const auto want = by_launches->solve(pack.jobs, StopToken());
    for (int again = 0; again < 2; ++again) {
      const auto got = by_graph->solve(pack.jobs, StopToken());
      for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(same_bits(got[i], want[i])) << i;
    }
  }
}

// At the official widths, where cuBLASLt has most algorithms to choose from.
TEST(CudaFlowSolver, NeighboursChangeNoBitAtOfficialWidths) {
  if (!have_cuda_torch()) return;
  FlowSizes sizes;
  sizes.depth = 3;
  sizes.head_layers = 2;
  const RandomWeights weights = random_flow_weights(sizes);
  for (const at::ScalarType type : kTypes) {
    const auto solver = solver_of(weights, sizes, type);
    FlowSolverOptions options;
    options.side_rows = 0;
    const auto one_lane = solver_of(weights, sizes, type, options);
    options.side_rows = 8192;
    options.least_side_rows = 0;
    options.products.candidates = ProductChoice::kMostCandidates;
    const auto two_lanes = solver_of(weights, sizes, type, options);
    std::vector<FlowJob> jobs;
    for (const Length& length : {Length{1292, 861, 0.7}, Length{430, 172, 0.7},
                                 Length{430, 845, 0.7}, Length{100, 40, 0.7}}) {
      jobs.push_back(job_of(random_flow_problem(sizes, length.prompt, length.generated), type, 3));
    }
    const auto together = solver->solve(jobs, StopToken());
    for (size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_TRUE(same_bits(alone(*solver, jobs[i]), together[i])) << i;
      EXPECT_TRUE(same_bits(alone(*one_lane, jobs[i]), together[i])) << i;
      EXPECT_TRUE(same_bits(alone(*two_lanes, jobs[i]), together[i])) << i;
      for (CudaFlowSolver* of : {solver.get(), two_lanes.get()}) {
        const auto two = of->solve({jobs[(i + 1) % jobs.size()], jobs[i]}, StopToken());
        EXPECT_TRUE(same_bits(two[1], together[i])) << i;
      }
    }
  }
}

TEST(CudaFlowSolver, ManyLengthsShareAndRenewGraphs) {
  if (!have_cuda_torch()) return;
  const RandomWeights weights = random_flow_weights(kSmall);
  const auto definition = random_flow(weights, kSmall, at::kCPU, at::kFloat);
  const auto solver = solver_of(weights, kSmall, at::kFloat);
  for (int round = 0; round < 2; ++round) {
    for (int64_t i = 0; i < 30; ++i) {
      const FlowProblem problem = random_flow_problem(kSmall, 5 + 67 * i, 20 + 3 * i);
      const FlowJob job = job_of(problem, at::kFloat, 3);
      const at::Tensor got = alone(*solver, job);
      if (i % 7 != 3) continue;
      EXPECT_LT(relative_rms(
                    got, definition->solve(problem.input, problem.noise, job.options, StopToken())),
                1e-5)
          << i;
    }
  }
}

TEST(CudaFlowSolver, TakesJobsOfDifferentStepsAndMoreThanOnePack) {
  if (!have_cuda_torch()) return;
  const RandomWeights weights = random_flow_weights(kSmall);
  FlowSolverOptions small;
  small.pack_rows = 700;
  const auto solver = solver_of(weights, kSmall, at::kBFloat16, small);
  std::vector<FlowJob> jobs;
  for (int64_t i = 0; i < 7; ++i) {
    jobs.push_back(job_of(random_flow_problem(kSmall, 60 + 40 * i, 50), at::kBFloat16, 2 + i % 6));
  }
  const auto mels = solver->solve(jobs, StopToken());
  for (size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_TRUE(same_bits(alone(*solver, jobs[i]), mels[i])) << i;
  }
  EXPECT_TRUE(solver->solve({}, StopToken()).empty());
}

TEST(CudaFlowSolver, WholeHeadGivesTheSame) {
  if (!have_cuda_torch()) return;
  const auto solver = solver_of(random_flow_weights(kSmall), kSmall, at::kFloat);
  FlowJob job = job_of(random_flow_problem(kSmall, 90, 50), at::kFloat, 4);
  const at::Tensor pruned = alone(*solver, job);
  job.options.whole = true;
  EXPECT_LT(relative_rms(pruned, alone(*solver, job)), 1e-5);
}

TEST(CudaFlowSolver, StopsBetweenSteps) {
  if (!have_cuda_torch()) return;
  const auto solver = solver_of(random_flow_weights(kSmall), kSmall, at::kBFloat16);
  const FlowProblem problem = random_flow_problem(kSmall, 30, 30);
  FlowJob job = job_of(problem, at::kBFloat16, 9);
  const at::Tensor want = alone(*solver, job);
  StopSource source;
  int64_t done = 0;
  job.options.on_step = [&](int64_t step, const at::Tensor& x) {
    EXPECT_EQ(x.sizes(), at::IntArrayRef({1, 30, kSmall.mel}));
    done = step + 1;
    if (done == 3) source.request_stop();
  };
  try {
    solver->solve({job}, source.token());
    FAIL() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
  EXPECT_EQ(done, 3);
  EXPECT_TRUE(same_bits(alone(*solver, job_of(problem, at::kBFloat16, 9)), want));
}

TEST(CudaFlowSolver, DrawsTheNoiseOfTheHost) {
  if (!have_cuda_torch()) return;
  constexpr int64_t kPrompt = 5, kFrames = 37;
  const RandomWeights weights = random_flow_weights(kSmall);
  const RandomStream stream{/*seed=*/7, /*segment=*/3, RandomPurpose::kFlowNoise};
  const at::Tensor got = solver_of(weights, kSmall, at::kBFloat16)
                             ->noise(stream, kSmall.mel, kPrompt, kFrames)
                             .to(at::kCPU);
  std::vector<float> want(static_cast<size_t>(kSmall.mel * kFrames));
  fill_normal(stream, 0, want.data(), want.size());
  for (int64_t band = 0; band < kSmall.mel; ++band) {
    for (int64_t frame = 0; frame < kFrames; ++frame) {
      const float value =
          frame < kPrompt ? 0.0f : want[static_cast<size_t>(band * kFrames + frame)];
      ASSERT_EQ(got.const_data_ptr<float>()[band * kFrames + frame], value) << band << " " << frame;
    }
  }
}

TEST(CudaFlowSolver, RefusesWhatTheModuleRefuses) {
  if (!have_cuda_torch()) return;
  const auto solver = solver_of(random_flow_weights(kSmall), kSmall, at::kFloat);
  EXPECT_THROW(alone(*solver, job_of(random_flow_problem(kSmall, 9, 9), at::kFloat, 0)), Error);
  EXPECT_THROW(alone(*solver, job_of(random_flow_problem(kSmall, 9, 0), at::kFloat, 2)), Error);
}

TEST(FlowNetwork, KnowsWhatItHasKernelsFor) {
  if (!have_cuda_torch()) return;
  FlowSizes other = kSmall;
  other.heads = 8;  // of 16
  EXPECT_TRUE(
      FlowNetwork::supports(*random_flow(random_flow_weights(kSmall), kSmall, kDevice, at::kHalf)));
  EXPECT_FALSE(
      FlowNetwork::supports(*random_flow(random_flow_weights(other), other, kDevice, at::kHalf)));
  EXPECT_FALSE(FlowNetwork::supports(
      *random_flow(random_flow_weights(kSmall), kSmall, at::kCPU, at::kFloat)));
}

}  // namespace
}  // namespace indextts2
