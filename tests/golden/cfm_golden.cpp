// Flow matching: one call of the estimator, the state after each of 4 steps, the result of 25.
#include "device_networks.h"
#include "golden.h"
#include "modules/flow_matching.h"
#include "ops/host_tensor.h"
#include "stages/mel_generator.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

// x [1, M, G] as the reference keeps it: with a prompt part of zeros [1, M, F].
at::Tensor with_prompt(const at::Tensor& x, int64_t frames) {
  at::Tensor whole = x.new_zeros({x.size(0), x.size(1), frames});
  whole.narrow(2, frames - x.size(2), x.size(2)).copy_(x);
  return whole;
}

const RunGolden kCfm("cfm", [](GoldenCase& golden) {
  WeightsOptions weights;
  weights.device = golden.device();
  const Weights file(open_checkpoint(golden.model_dir() + "/s2mel.pth"), weights);
  const ModelConfig config = read_model_config(find_model_files(golden.model_dir(), ""));
  const auto network = std::make_shared<const FlowMatching>(
      s2mel_network(file, "cfm").scope("estimator"), config.dit, config.wavenet);
  const FlowMatching& flow = *network;

  const FlowInput input{golden.get("prompt"), golden.get("cond"), golden.get("style")};
  const at::Tensor noise = golden.get("noise");
  const int64_t frames = noise.size(2), prompt = input.prompt.size(2);

  const at::Tensor x = noise.narrow(2, prompt, frames - prompt).transpose(1, 2).contiguous();
  const DitConstants constants =
      flow.dit.constants(input.prompt.transpose(1, 2), input.cond, input.style, /*guided=*/true);
  const DitTimes times = flow.dit.times(float_tensor({0.0f}, golden.device()));
  golden.expect("estimator_t0", flow.dit.velocity(x, constants, times, 0).transpose(1, 2));

  FlowOptions options;
  options.guidance = golden.params()["cfg_rate"];
  options.steps = 4;
  options.on_step = [&](int64_t step, const at::Tensor& state) {
    golden.expect("step4_" + std::to_string(step + 1), with_prompt(state.transpose(1, 2), frames));
  };
  flow.solve(input, noise, options, StopToken());

  options.steps = 25;
  options.on_step = {};
  golden.expect("result25", flow.solve(input, noise, options, StopToken()));

  NetworkModules modules;
  modules.flow = network;
  const auto solver = device_networks(golden, modules)->flow_solver();
  const FlowJob job{input, noise, options};
  for (const at::Tensor& mel : solver->solve({job, job}, StopToken())) {
    golden.expect("result25", mel);
  }
});

}  // namespace
}  // namespace indextts2
