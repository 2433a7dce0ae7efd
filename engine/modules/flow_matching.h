// Flow matching: from noise to a mel by fixed Euler steps over the diffusion transformer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/stop_token.h"
#include "modules/dit.h"

namespace indextts2 {

struct FlowOptions {
  int64_t steps = 25;     // Euler steps
  double guidance = 0.7;  // weight against the unconditioned velocity; 0: one row instead of two
  // Computes the head for all frames instead of the generated ones only: slower, the same result up
  // to rounding.
  bool whole = false;
  std::function<void(int64_t step, const at::Tensor& x)>
      on_step;  // x [1, G, M] after each step; may be empty
};

// The condition of one segment, all in the dtype of the weights and on their device. P prompt
// frames, F = P + G.
struct FlowInput {
  at::Tensor prompt;  // [1, M, P] log-mel of the voice
  at::Tensor cond;    // [1, F, condition width], prompt frames first
  at::Tensor style;   // [1, style width]
};

// The times at which the velocity is taken and how far each step goes, in float32.
struct FlowSchedule {
  std::vector<float> times, widths;
};
FlowSchedule flow_schedule(int64_t steps);

// Thread-safety: const.
class FlowMatching {
 public:
  FlowMatching(const Weights& weights, const DitConfig& config, const WavenetConfig& wavenet)
      : dit(weights, config, wavenet) {}

  // noise [1, M, F] float32, standard normal; the share of the prompt frames is not used, but drawn
  // by the reference. Returns the mel of the generated frames [1, M, G] float32. Tests `stop`
  // before each step: Error{kCancelled}.
  at::Tensor solve(const FlowInput& input, const at::Tensor& noise, const FlowOptions& options,
                   const StopToken& stop) const;

  // Throws what solve() throws for such a segment before its first step.
  void check(const FlowInput& input, const at::Tensor& noise, const FlowOptions& options) const;

  const Dit dit;
};

}  // namespace indextts2
