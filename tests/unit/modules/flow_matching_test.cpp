// Flow matching on the tiny model: leaving out the prompt's head, guidance, stops and errors.
#include "modules/flow_matching.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/near.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

FlowMatching tiny_flow(WeightsOptions options = {}) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  const ModelConfig config = read_model_config(files);
  return FlowMatching(
      Weights(open_checkpoint(files.s2mel), options).scope("net.cfm.module.estimator"), config.dit,
      config.wavenet);
}

struct Problem {
  FlowInput input;
  at::Tensor noise;
};

Problem random_problem(const Dit& dit, int64_t prompt, int64_t generated) {
  const int64_t frames = prompt + generated;
  return {{at::randn({1, dit.mel_bands(), prompt}), at::randn({1, frames, dit.cond_width()}),
           at::randn({1, dit.style_width()})},
          at::randn({1, dit.mel_bands(), frames})};
}

FlowOptions steps(int64_t count) {
  FlowOptions options;
  options.steps = count;
  return options;
}

TEST(FlowMatching, HeadOfThePromptCanBeLeftOut) {
  const FlowMatching flow = tiny_flow();
  for (const int64_t prompt : {1, 3, 40}) {
    for (const int64_t generated : {2, 3, 29}) {
      const Problem problem = random_problem(flow.dit, prompt, generated);
      FlowOptions options = steps(3);
      const at::Tensor pruned = flow.solve(problem.input, problem.noise, options, {});
      options.whole = true;
      const at::Tensor whole = flow.solve(problem.input, problem.noise, options, {});
      EXPECT_EQ(pruned.sizes(), at::IntArrayRef({1, flow.dit.mel_bands(), generated}));
      EXPECT_LT(largest_difference(pruned, whole), 1e-5) << prompt << " " << generated;
    }
  }
}

TEST(FlowMatching, NoiseOfThePromptIsNotUsed) {
  const FlowMatching flow = tiny_flow();
  const Problem problem = random_problem(flow.dit, 20, 10);
  at::Tensor other = problem.noise.clone();
  other.narrow(2, 0, 20).fill_(5);
  EXPECT_EQ(largest_difference(flow.solve(problem.input, problem.noise, steps(2), {}),
                               flow.solve(problem.input, other, steps(2), {})),
            0.0);
}

TEST(FlowMatching, InputsAreNotChanged) {
  const FlowMatching flow = tiny_flow();
  const Problem problem = random_problem(flow.dit, 20, 10);
  const at::Tensor noise = problem.noise.clone(), cond = problem.input.cond.clone();
  flow.solve(problem.input, problem.noise, steps(2), {});
  EXPECT_EQ(largest_difference(noise, problem.noise), 0.0);
  EXPECT_EQ(largest_difference(cond, problem.input.cond), 0.0);
}

TEST(FlowMatching, GuidanceGoesToTheUnguidedResult) {
  const FlowMatching flow = tiny_flow();
  const Problem problem = random_problem(flow.dit, 20, 10);
  FlowOptions options = steps(2);
  options.guidance = 0;
  const at::Tensor without = flow.solve(problem.input, problem.noise, options, {});
  options.guidance = 1e-7;
  EXPECT_LT(largest_difference(flow.solve(problem.input, problem.noise, options, {}), without),
            1e-4);
  options.guidance = 0.7;
  EXPECT_GT(largest_difference(flow.solve(problem.input, problem.noise, options, {}), without),
            1e-3);
}

TEST(FlowMatching, UnguidedRowKnowsNoCondition) {
  const FlowMatching flow = tiny_flow();
  const Problem a = random_problem(flow.dit, 20, 10), b = random_problem(flow.dit, 20, 10);
  const at::Tensor x = at::randn({1, 10, flow.dit.mel_bands()});
  const DitTimes times = flow.dit.times(at::randn({1}).abs());
  const auto velocity = [&](const FlowInput& input) {
    return flow.dit.velocity(
        x, flow.dit.constants(input.prompt.transpose(1, 2), input.cond, input.style, true), times,
        0);
  };
  const at::Tensor of_a = velocity(a.input), of_b = velocity(b.input);
  EXPECT_EQ(largest_difference(of_a[1], of_b[1]), 0.0);
  EXPECT_GT(largest_difference(of_a[0], of_b[0]), 1e-3);
}

TEST(FlowMatching, StopsBetweenSteps) {
  const FlowMatching flow = tiny_flow();
  const Problem problem = random_problem(flow.dit, 5, 5);
  StopSource source;
  int64_t done = 0;
  FlowOptions options = steps(9);
  options.on_step = [&](int64_t step, const at::Tensor&) {
    done = step + 1;
    if (done == 3) source.request_stop();
  };
  try {
    flow.solve(problem.input, problem.noise, options, source.token());
    FAIL() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
  EXPECT_EQ(done, 3);
}

TEST(FlowMatching, RefusesWhatItCannotSolve) {
  const FlowMatching flow = tiny_flow();
  const Problem problem = random_problem(flow.dit, 5, 5);
  EXPECT_THROW(flow.solve(problem.input, problem.noise, steps(0), {}), Error);
  EXPECT_THROW(flow.solve(problem.input, problem.noise.narrow(2, 0, 9), steps(1), {}), Error);
  const Problem empty = random_problem(flow.dit, 5, 0);
  EXPECT_THROW(flow.solve(empty.input, empty.noise, steps(1), {}), Error);
}

TEST(FlowMatching, HalfPrecisionStaysNear) {
  WeightsOptions options;
  options.dtype = at::kBFloat16;
  const FlowMatching flow = tiny_flow(), half = tiny_flow(options);
  const Problem problem = random_problem(flow.dit, 20, 10);
  const at::Tensor want = flow.solve(problem.input, problem.noise, steps(4), {});
  const FlowInput input{problem.input.prompt.to(at::kBFloat16),
                        problem.input.cond.to(at::kBFloat16),
                        problem.input.style.to(at::kBFloat16)};
  const at::Tensor got = half.solve(input, problem.noise, steps(4), {});
  EXPECT_EQ(got.scalar_type(), at::kFloat);
  EXPECT_LT(largest_difference(got, want), 0.2);
}

TEST(Dit, RefusesHeadsThatDoNotFit) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  ModelConfig config = read_model_config(files);
  const Weights weights(open_checkpoint(files.s2mel), {});
  for (const int64_t heads : {0, 3, 64}) {
    config.dit.num_heads = heads;
    EXPECT_THROW(Dit(weights.scope("net.cfm.module.estimator"), config.dit, config.wavenet), Error);
  }
}

TEST(Dit, TakesAllWeightsButTheUnusedOnes) {
  const ModelFiles files = find_model_files(INDEXTTS2_TINY_MODEL, "");
  const ModelConfig config = read_model_config(files);
  const Weights weights =
      Weights(open_checkpoint(files.s2mel), {}).scope("net.cfm.module.estimator");
  const Dit dit(weights, config.dit, config.wavenet);
  EXPECT_EQ(weights.unused(Dit::unused_weights()), std::vector<std::string>());
}

}  // namespace
}  // namespace indextts2
