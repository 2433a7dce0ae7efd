// A flow of any size with random weights.
#pragma once

#include <ATen/ops/exp.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "memory_checkpoint.h"
#include "modules/flow_matching.h"

namespace indextts2 {

// As config.yaml of the official model has them.
struct FlowSizes {
  int64_t width = 512, heads = 8, depth = 13, hidden = 1536;
  int64_t channels = 512, head_layers = 8, kernel = 5;
  int64_t mel = 80, cond = 512, style = 192;
};

using RandomWeights = std::map<std::string, at::Tensor>;

inline void add_linear(RandomWeights& weights, const std::string& name, at::IntArrayRef shape,
                       bool with_bias = true) {
  int64_t in = 1;
  for (size_t i = 1; i < shape.size(); ++i) in *= shape[i];
  weights[name + ".weight"] = at::randn(shape).div_(std::sqrt(static_cast<double>(in)));
  if (with_bias) weights[name + ".bias"] = at::randn({shape[0]}).mul_(0.1);
}

inline void add_flow_layer(RandomWeights& weights, const std::string& name, const FlowSizes& sizes,
                           bool takes_skip) {
  const int64_t w = sizes.width;
  for (const char* norm : {".attention_norm", ".ffn_norm"}) {
    add_linear(weights, name + norm + ".project_layer", {2 * w, w});
    weights[name + norm + ".norm.weight"] = at::ones({w});
  }
  add_linear(weights, name + ".attention.wqkv", {3 * w, w}, /*with_bias=*/false);
  add_linear(weights, name + ".attention.wo", {w, w}, /*with_bias=*/false);
  add_linear(weights, name + ".feed_forward.w1", {sizes.hidden, w}, /*with_bias=*/false);
  add_linear(weights, name + ".feed_forward.w3", {sizes.hidden, w}, /*with_bias=*/false);
  add_linear(weights, name + ".feed_forward.w2", {w, sizes.hidden}, /*with_bias=*/false);
  if (takes_skip) add_linear(weights, name + ".skip_in_linear", {w, 2 * w});
}

inline RandomWeights random_flow_weights(const FlowSizes& sizes) {
  const int64_t w = sizes.width, c = sizes.channels, m = sizes.mel;
  constexpr int64_t kFrequencies = 128;
  RandomWeights weights;
  for (const auto& [name, out] : {std::pair<std::string, int64_t>("t_embedder", w),
                                  std::pair<std::string, int64_t>("t_embedder2", c)}) {
    weights[name + ".freqs"] = at::linspace(0, -9.2, kFrequencies).exp();
    add_linear(weights, name + ".mlp.0", {out, 2 * kFrequencies});
    add_linear(weights, name + ".mlp.2", {out, out});
  }
  for (int64_t i = 0; i < sizes.depth; ++i) {
    add_flow_layer(weights, "transformer.layers." + std::to_string(i), sizes, i > sizes.depth / 2);
  }
  add_linear(weights, "transformer.norm.project_layer", {2 * w, w});
  weights["transformer.norm.norm.weight"] = at::ones({w});
  add_linear(weights, "cond_projection", {w, sizes.cond});
  add_linear(weights, "cond_x_merge_linear", {w, 2 * m + w + sizes.style});
  add_linear(weights, "skip_linear", {w, w + m});
  add_linear(weights, "conv1", {c, w});
  add_linear(weights, "res_projection", {c, w});
  add_linear(weights, "conv2", {m, c, 1});
  add_linear(weights, "final_layer.linear", {c, c});
  add_linear(weights, "final_layer.adaLN_modulation.1", {2 * c, w});
  add_linear(weights, "wavenet.cond_layer.conv.conv", {2 * c * sizes.head_layers, c, 1});
  for (int64_t i = 0; i < sizes.head_layers; ++i) {
    const std::string number = std::to_string(i);
    add_linear(weights, "wavenet.in_layers." + number + ".conv.conv", {2 * c, c, sizes.kernel});
    add_linear(weights, "wavenet.res_skip_layers." + number + ".conv.conv",
               {i + 1 < sizes.head_layers ? 2 * c : c, c, 1});
  }
  return weights;
}

inline std::shared_ptr<const FlowMatching> random_flow(const RandomWeights& weights,
                                                       const FlowSizes& sizes, at::Device device,
                                                       at::ScalarType type) {
  WeightsOptions options;
  options.device = device;
  options.dtype = type;
  DitConfig dit;
  dit.num_heads = sizes.heads;
  WavenetConfig wavenet;
  wavenet.dilation_rate = 1;
  return std::make_shared<FlowMatching>(memory_weights(weights, options), dit, wavenet);
}

struct FlowProblem {
  FlowInput input;
  at::Tensor noise;
};

inline FlowProblem random_flow_problem(const FlowSizes& sizes, int64_t prompt, int64_t generated) {
  const int64_t frames = prompt + generated;
  return {{at::randn({1, sizes.mel, prompt}), at::randn({1, frames, sizes.cond}),
           at::randn({1, sizes.style})},
          at::randn({1, sizes.mel, frames})};
}

// On `device`, the condition in `type`.
inline FlowProblem moved(const FlowProblem& problem, at::Device device, at::ScalarType type) {
  return {{problem.input.prompt.to(device, type), problem.input.cond.to(device, type),
           problem.input.style.to(device, type)},
          problem.noise.to(device)};
}

}  // namespace indextts2
