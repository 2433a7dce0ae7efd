// Flow matching: fixed-step Euler over the diffusion transformer.
// Follows index-tts ee40fa7, indextts/s2mel/modules/flow_matching.py, BASECFM.solve_euler.
#include "modules/flow_matching.h"

#include <string>
#include <vector>

#include "core/error.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

// The grid of `steps` + 1 times from 0 to 1 in float32, exact at both ends.
std::vector<float> time_grid(int64_t steps) {
  const float width = 1.0f / static_cast<float>(steps);
  std::vector<float> grid;
  for (int64_t i = 0; i <= steps; ++i) {
    grid.push_back(i < (steps + 1) / 2 ? width * static_cast<float>(i)
                                       : 1.0f - width * static_cast<float>(steps - i));
  }
  return grid;
}

}  // namespace

FlowSchedule flow_schedule(int64_t steps) {
  const std::vector<float> grid = time_grid(steps);
  FlowSchedule schedule;
  float time = grid[0];  // times add up in float32, as the reference's do
  for (size_t i = 0; i + 1 < grid.size(); ++i) {
    schedule.times.push_back(time);
    schedule.widths.push_back(grid[i + 1] - grid[i]);
    time += schedule.widths.back();
  }
  return schedule;
}

void FlowMatching::check(const FlowInput& input, const at::Tensor& noise,
                         const FlowOptions& options) const {
  const int64_t frames = input.cond.size(1), prompt = input.prompt.size(2);
  if (options.steps < 1) {
    throw Error(ErrorCode::kSettings,
                "flow: expected at least 1 step, got " + std::to_string(options.steps));
  }
  if (frames - prompt < 1 || frames < dit.min_frames()) {
    throw Error(ErrorCode::kSynthesis, "flow: expected more than " + std::to_string(prompt) +
                                           " and at least " + std::to_string(dit.min_frames()) +
                                           " frames, got " + std::to_string(frames));
  }
  const std::vector<int64_t> expected = {input.cond.size(0), dit.mel_bands(), frames};
  if (noise.sizes() != at::IntArrayRef(expected) || input.prompt.size(1) != dit.mel_bands() ||
      input.cond.size(2) != dit.cond_width() || input.style.size(1) != dit.style_width()) {
    throw Error(ErrorCode::kInternal, "flow: noise, prompt, condition or style of a wrong shape");
  }
}

at::Tensor FlowMatching::solve(const FlowInput& input, const at::Tensor& noise,
                               const FlowOptions& options, const StopToken& stop) const {
  check(input, noise, options);
  const FlowSchedule schedule = flow_schedule(options.steps);
  const DitTimes tables = dit.times(float_tensor(schedule.times, noise.device()));
  const bool guided = options.guidance > 0;
  DitConstants constants =
      dit.constants(input.prompt.transpose(1, 2), input.cond, input.style, guided);
  const int64_t frames = noise.size(2), prompt = constants.prompt_frames;
  const int64_t generated = frames - prompt, batch = noise.size(0);
  if (!options.whole) {
    constants.first = dit.first_needed(prompt, frames);
  }

  at::Tensor x = noise.narrow(2, prompt, generated).transpose(1, 2).contiguous();
  for (int64_t step = 0; step < options.steps; ++step) {
    stop.check();
    const at::Tensor input_x = x.to(constants.merged.scalar_type());
    at::Tensor v = dit.velocity(input_x, constants, tables, step);
    v = v.narrow(1, v.size(1) - generated, generated).to(at::kFloat);
    if (guided) {
      v = v.narrow(0, 0, batch)
              .mul(1.0 + options.guidance)
              .sub_(v.narrow(0, batch, batch), options.guidance);
    }
    x.add_(v, schedule.widths[static_cast<size_t>(step)]);
    if (options.on_step) options.on_step(step, x);
  }
  return x.transpose(1, 2).contiguous();
}

}  // namespace indextts2
