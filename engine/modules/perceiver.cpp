// Perceiver resampler of the GPT's conditions.
// Follows index-tts ee40fa7, indextts/gpt/perceiver.py, PerceiverResampler.
#include "modules/perceiver.h"

#include <cmath>
#include <string>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/attention.h"

namespace indextts2 {
namespace {

constexpr double kLengthEps = 1e-12;  // of torch.nn.functional.normalize

std::vector<PerceiverLayer> take_layers(const Weights& weights, int64_t width, int64_t heads) {
  std::vector<PerceiverLayer> layers;
  const int64_t count = weights.count("layers");
  for (int64_t i = 0; i < count; ++i) layers.emplace_back(weights.scope("layers", i), width, heads);
  return layers;
}

}  // namespace

PerceiverLayer::PerceiverLayer(const Weights& weights, int64_t width, int64_t heads)
    : heads_(heads),
      query_(weights.scope("0.to_q"), width, kAny, Bias::kNo),
      key_value_(weights.scope("0.to_kv"), width, 2 * query_.weight.size(0), Bias::kNo),
      out_(weights.scope("0.to_out"), query_.weight.size(0), width, Bias::kNo),
      ff_in_(weights.scope("1.0"), width, kAny),
      ff_out_(weights.scope("1.2"), ff_in_.weight.size(0) / 2, width) {
  if (heads < 1 || query_.weight.size(0) % heads != 0) {
    throw Error(ErrorCode::kModel, "perceiver: " + std::to_string(query_.weight.size(0)) +
                                       " query rows do not divide into " + std::to_string(heads) +
                                       " heads in " + weights.path() +
                                       "; is config.yaml of another version?");
  }
}

at::Tensor PerceiverLayer::forward(const at::Tensor& latents, const at::Tensor& context) const {
  const int64_t num_latents = latents.size(1), inner = query_.weight.size(0);
  at::Tensor seen = context.new_empty({1, num_latents + context.size(1), context.size(2)});
  seen.narrow(1, 0, num_latents).copy_(latents);
  seen.narrow(1, num_latents, context.size(1)).copy_(context);
  const at::Tensor key_value = key_value_(seen);
  const at::Tensor q = split_heads(query_(latents), heads_);
  const at::Tensor k = split_heads(key_value.narrow(2, 0, inner), heads_);
  const at::Tensor v = split_heads(key_value.narrow(2, inner, inner), heads_);
  const at::Tensor h = latents.add(out_(merge_heads(attend(q, k, v))));
  return h.add(ff_out_(geglu(ff_in_(h))));
}

PerceiverResampler::PerceiverResampler(const Weights& weights, const PerceiverOptions& options)
    : latents_(weights.take("latents", {kAny, kAny})),
      project_(weights.scope("proj_context"), kAny, width()),
      layers_(take_layers(weights, width(), options.heads)),
      gamma_(weights.take("norm.gamma", {width()})) {}

at::Tensor PerceiverResampler::forward(const at::Tensor& context) const {
  const at::Tensor projected = project_(context);
  at::Tensor x = latents_.unsqueeze(0);
  for (const PerceiverLayer& layer : layers_) x = layer.forward(x, projected);
  const at::Tensor length = x.norm(2, -1, /*keepdim=*/true).clamp_min_(kLengthEps);
  return x.div(length).mul_(std::sqrt(static_cast<double>(width()))).mul_(gamma_);
}

}  // namespace indextts2
