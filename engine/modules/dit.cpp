// Diffusion transformer.
// Follows index-tts ee40fa7, indextts/s2mel/modules/diffusion_transformer.py, DiT, and
// gpt_fast/model.py, Transformer.
#include "modules/dit.h"

#include <algorithm>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/frames.h"
#include "ops/norm.h"
#include "ops/rotary.h"

namespace indextts2 {
namespace {

constexpr double kTimeScale = 1000.0;
constexpr double kRotaryBase = 10000.0;

// `count` of the input columns of `whole` from `first` on, as a layer of its own.
Linear columns(const Linear& whole, int64_t first, int64_t count, bool with_bias) {
  return Linear(whole.weight.narrow(1, first, count).contiguous(),
                with_bias ? whole.bias : at::Tensor());
}

Linear rows(const at::Tensor& weight, int64_t first, int64_t count) {
  return Linear(weight.narrow(0, first, count), {});
}

int64_t checked_heads(int64_t width, int64_t heads, const Weights& weights) {
  if (heads < 1 || width % heads != 0 || width / heads % 2 != 0) {
    throw Error(ErrorCode::kModel,
                "config.yaml: s2mel.DiT.num_heads: expected a number that divides the width " +
                    std::to_string(width) + " into even parts, got " + std::to_string(heads) +
                    "; does it belong to " + weights.path() + "?");
  }
  return heads;
}

// Adds `part` to the last part.size(1) frames of `whole`, in place.
void add_behind(at::Tensor& whole, const at::Tensor& part) {
  whole.narrow(1, whole.size(1) - part.size(1), part.size(1)).add_(part);
}

}  // namespace

Dit::TimeEmbedding::TimeEmbedding(const Weights& weights)
    : frequencies(weights.take_float("freqs", {kAny})),
      first(weights.scope("mlp.0"), 2 * frequencies.size(0), kAny),
      second(weights.scope("mlp.2"), first.weight.size(0), kAny) {}

at::Tensor Dit::TimeEmbedding::operator()(const at::Tensor& t) const {
  const at::Tensor angle = t.unsqueeze(1).mul(kTimeScale).mul(frequencies);
  const at::Tensor waves = concat({angle.cos(), angle.sin()}, 1);
  return second(silu(first(waves.to(first.weight.scalar_type()))));
}

Dit::AdaptiveNorm::AdaptiveNorm(const Weights& weights, int64_t width)
    : project(weights.scope("project_layer"), kAny, 2 * width),
      weight(weights.scope("norm").take("weight", {width})) {}

at::Tensor Dit::AdaptiveNorm::scale_and_shift(const at::Tensor& t) const {
  at::Tensor both = project(t).view({t.size(0), 2, weight.size(0)});
  both.select(1, 0).mul_(weight);
  return both;
}

Dit::Layer::Layer(const Weights& weights, int64_t width, int64_t num_heads, bool takes_skip)
    : attention_norm(weights.scope("attention_norm"), width),
      feed_forward_norm(weights.scope("ffn_norm"), width),
      query({}, {}),
      key_value({}, {}),
      attention_out(weights.scope("attention.wo"), width, width, Bias::kNo),
      gate(weights.scope("feed_forward.w1"), width, kAny, Bias::kNo),
      up(weights.scope("feed_forward.w3"), width, gate.weight.size(0), Bias::kNo),
      down(weights.scope("feed_forward.w2"), gate.weight.size(0), width, Bias::kNo),
      heads(num_heads) {
  const at::Tensor fused = weights.scope("attention.wqkv").take("weight", {3 * width, width});
  query = rows(fused, 0, width);
  key_value = rows(fused, width, 2 * width);
  // One behind the other, so that both can be multiplied at once.
  const at::Tensor both = concat({gate.weight, up.weight}, 0);
  gate = rows(both, 0, gate.weight.size(0));
  up = rows(both, gate.weight.size(0), gate.weight.size(0));
  if (takes_skip) skip.emplace_back(weights.scope("skip_in_linear"), 2 * width, width);
}

at::Tensor Dit::Layer::attend_from(const at::Tensor& x, const at::Tensor& rotary,
                                   int64_t first) const {
  const int64_t batch = x.size(0), frames = x.size(1), size = x.size(2) / heads;
  const int64_t wanted = frames - first;
  const at::Tensor q = query(x.narrow(1, first, wanted)).view({batch, wanted, heads, size});
  const at::Tensor kv = key_value(x).view({batch, frames, 2, heads, size});
  const at::Tensor k = kv.select(2, 0), v = kv.select(2, 1);
  rotate_(q, rotary.narrow(0, first, wanted));
  rotate_(k, rotary);
  return attention_out(
      merge_heads(attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))));
}

at::Tensor Dit::Layer::feed_forward(const at::Tensor& x) const {
  at::Tensor gated = gate(x);
  silu_(gated);
  return down(gated.mul_(up(x)));
}

at::Tensor Dit::Layer::operator()(const at::Tensor& x, const at::Tensor& norms,
                                  const at::Tensor& rotary, int64_t first) const {
  const at::Tensor normed =
      adaptive_rms_norm(x, norms.select(0, 0), norms.select(0, 1), kDitNormEps);
  at::Tensor h = attend_from(normed, rotary, first);
  h.add_(x.narrow(1, first, x.size(1) - first));
  return h.add_(
      feed_forward(adaptive_rms_norm(h, norms.select(0, 2), norms.select(0, 3), kDitNormEps)));
}

Dit::Dit(const Weights& weights, const DitConfig& config, const WavenetConfig& wavenet)
    : input_x_({}, {}),
      input_prompt_({}, {}),
      input_cond_({}, {}),
      input_style_({}, {}),
      cond_projection_(weights.scope("cond_projection"), kAny, kAny),
      time_(weights.scope("t_embedder")),
      head_time_(weights.scope("t_embedder2")),
      final_norm_(weights.scope("transformer.norm"), cond_projection_.weight.size(0)),
      skip_hidden_({}, {}),
      skip_x_({}, {}),
      head_in_(weights.scope("conv1"), cond_projection_.weight.size(0), kAny),
      residual_(weights.scope("res_projection"), cond_projection_.weight.size(0),
                head_in_.weight.size(0)),
      wavenet_(weights.scope("wavenet"), wavenet.dilation_rate),
      head_time_projection_(weights.scope("final_layer.adaLN_modulation.1"), kAny,
                            2 * wavenet_.channels()),
      head_linear_(weights.scope("final_layer.linear"), wavenet_.channels(), wavenet_.channels()),
      head_out_({}, {}) {
  const int64_t width = cond_projection_.weight.size(0);
  const Conv1d out(weights.scope("conv2"), wavenet_.channels(), kAny, /*kernel=*/1);
  head_out_ = Linear(out.weight.squeeze(2), out.bias);
  const int64_t mel = out.weight.size(0);

  const Linear merge(weights.scope("cond_x_merge_linear"), kAny, width);
  const int64_t style = merge.weight.size(1) - width - 2 * mel;
  if (style < 1) {
    throw Error(ErrorCode::kModel, "weights: cond_x_merge_linear: expected more than " +
                                       std::to_string(width + 2 * mel) + " columns, got " +
                                       std::to_string(merge.weight.size(1)) + " in " +
                                       weights.path() + "; is the model trained with style?");
  }
  input_x_ = columns(merge, 0, mel, /*with_bias=*/false);
  input_prompt_ = columns(merge, mel, mel, /*with_bias=*/false);
  input_cond_ = columns(merge, 2 * mel, width, /*with_bias=*/true);
  input_style_ = columns(merge, 2 * mel + width, style, /*with_bias=*/false);

  const Linear skip(weights.scope("skip_linear"), width + mel, width);
  skip_hidden_ = columns(skip, 0, width, /*with_bias=*/true);
  skip_x_ = columns(skip, width, mel, /*with_bias=*/false);

  const int64_t heads = checked_heads(width, config.num_heads, weights);
  const int64_t depth = weights.count("transformer.layers");
  for (int64_t i = 0; i < depth; ++i) {
    layers_.emplace_back(weights.scope("transformer.layers", i), width, heads,
                         /*takes_skip=*/i > depth / 2);
  }
  if (layers_.empty()) {
    throw Error(ErrorCode::kModel, "weights: transformer.layers: none in " + weights.path() +
                                       "; is the file of IndexTTS 2?");
  }
}

DitTimes Dit::times(const at::Tensor& t) const {
  const at::Tensor embedded = time_(t);
  std::vector<at::Tensor> norms;
  for (const Layer& layer : layers_) {
    norms.push_back(layer.attention_norm.scale_and_shift(embedded));
    norms.push_back(layer.feed_forward_norm.scale_and_shift(embedded));
  }
  norms.push_back(final_norm_.scale_and_shift(embedded));
  // The checkpoint gives shift first, and the scale is relative to one.
  const at::Tensor head = head_time_projection_(silu(embedded)).view({t.size(0), 2, -1}).flip(1);
  head.select(1, 0).add_(1);
  return {concat(norms, 1), wavenet_.time_biases(head_time_(t)), head};
}

DitConstants Dit::constants(const at::Tensor& prompt, const at::Tensor& cond,
                            const at::Tensor& style, bool guided) const {
  const int64_t batch = cond.size(0), frames = cond.size(1);
  const int64_t width = cond_projection_.weight.size(0);
  const at::Tensor merged = cond.new_empty({guided ? 2 * batch : batch, frames, width});
  at::Tensor given = merged.narrow(0, 0, batch);
  given.copy_(input_cond_(cond_projection_(cond)));
  given.add_(input_style_(style).unsqueeze(1));
  given.narrow(1, 0, prompt.size(1)).add_(input_prompt_(prompt));
  if (guided) {
    // Without condition only the biases remain.
    merged.narrow(0, batch, batch).copy_(input_cond_(cond_projection_.bias));
  }
  return {merged, rotary(frames), prompt.size(1), 0};
}

int64_t Dit::first_needed(int64_t prompt_frames, int64_t frames) const {
  return std::min(std::max<int64_t>(0, prompt_frames - halo()), frames - min_frames());
}

at::Tensor Dit::rotary(int64_t frames) const {
  const at::Tensor& weight = cond_projection_.weight;
  return rotary_table(frames, weight.size(0) / layers_.front().heads, kRotaryBase, weight.device());
}

at::Tensor Dit::trunk(const at::Tensor& x, const DitConstants& constants,
                      const at::Tensor& norms) const {
  const int64_t depth = static_cast<int64_t>(layers_.size());
  at::Tensor h = constants.merged.clone();
  add_behind(h, input_x_(x));
  std::vector<at::Tensor> skips;
  for (int64_t i = 0; i < depth; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    if (!layer.skip.empty()) {
      h = layer.skip.front()(concat({h, skips.back()}, -1));
      skips.pop_back();
    }
    h = layer(h, norms.narrow(0, 4 * i, 4), constants.rotary, i + 1 == depth ? constants.first : 0);
    if (i < depth / 2) skips.push_back(h);
  }
  return adaptive_rms_norm(h, norms.select(0, 4 * depth), norms.select(0, 4 * depth + 1),
                           kDitNormEps);
}

at::Tensor Dit::velocity(const at::Tensor& x, const DitConstants& constants, const DitTimes& times,
                         int64_t step) const {
  const at::Tensor norms = times.norms.select(0, step);
  const at::Tensor head_norm = times.head.select(0, step);
  at::Tensor r = skip_hidden_(trunk(x, constants, norms));
  add_behind(r, skip_x_(x));
  at::Tensor y = wavenet_(head_in_(r), times.wavenet.select(0, step)).add_(residual_(r));
  y = adaptive_layer_norm(y, head_norm.select(0, 0), head_norm.select(0, 1), kDitHeadNormEps);
  return head_out_(head_linear_(y));
}

std::vector<std::string> Dit::unused_weights() {
  return {"input_pos",
          "x_embedder",
          "cond_embedder",
          "content_mask_embedder",
          "transformer.freqs_cis",
          "transformer.causal_mask",
          "transformer.layers.*.skip_in_linear"};
}

}  // namespace indextts2
