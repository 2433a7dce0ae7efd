// w2v-BERT 2.0 up to one hidden state.
// Follows transformers 4.52.1, Wav2Vec2BertModel with position_embeddings_type "relative_key".
#include "modules/w2v_bert.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/host_tensor.h"
#include "ops/pointwise_conv.h"

namespace indextts2 {
namespace {

// Some exports put the whole encoder below this name.
Weights below_prefix(const Weights& weights) {
  return weights.has_scope("wav2vec2_bert") ? weights.scope("wav2vec2_bert") : weights;
}

// The padding rows of x [1, T, C] set to 0.
at::Tensor without_padding(const at::Tensor& x, int64_t valid_rows) {
  if (valid_rows == x.size(1)) return x;
  at::Tensor cleared = x.clone();
  cleared.narrow(1, valid_rows, x.size(1) - valid_rows).zero_();
  return cleared;
}

// Of the stream that the layers add to: it stays in float32, as half precision would round it four
// times a layer.
LayerNorm stream_norm(const Weights& weights, int64_t width) {
  const at::Tensor weight = weights.take_float("weight", {width});
  return {weight, weights.take_float("bias", {weight.size(0)})};
}

Conv1dOptions depthwise_options(int64_t width, int64_t kernel) {
  Conv1dOptions options;
  options.groups = width;
  options.any_length = true;
  options.padding = kernel - 1;  // on both sides; the tail is cut off, which leaves causal padding
  options.bias = Bias::kNo;
  return options;
}

}  // namespace

W2vBertLayer::W2vBertLayer(const Weights& weights, int64_t width, const W2vBertOptions& options)
    : ffn1_norm_(stream_norm(weights.scope("ffn1_layer_norm"), width)),
      ffn1_in_(weights.scope("ffn1.intermediate_dense"), width, kAny),
      ffn1_out_(weights.scope("ffn1.output_dense"), ffn1_in_.weight.size(0), width),
      attention_norm_(stream_norm(weights.scope("self_attn_layer_norm"), width)),
      query_(weights.scope("self_attn.linear_q"), width, width),
      key_(weights.scope("self_attn.linear_k"), width, width),
      value_(weights.scope("self_attn.linear_v"), width, width),
      attention_out_(weights.scope("self_attn.linear_out"), width, width),
      distance_(weights.take("self_attn.distance_embedding.weight",
                             {options.left_positions + options.right_positions + 1, kAny})),
      conv_norm_(stream_norm(weights.scope("conv_module.layer_norm"), width)),
      conv_in_(take_pointwise_conv(weights.scope("conv_module.pointwise_conv1"), width, 2 * width,
                                   Bias::kNo)),
      depthwise_(
          weights.scope("conv_module.depthwise_conv"), width, width, kAny,
          depthwise_options(width, weights.shape("conv_module.depthwise_conv.weight").back())),
      depthwise_norm_(weights.scope("conv_module.depthwise_layer_norm"), width),
      conv_out_(take_pointwise_conv(weights.scope("conv_module.pointwise_conv2"), width, width,
                                    Bias::kNo)),
      ffn2_norm_(stream_norm(weights.scope("ffn2_layer_norm"), width)),
      ffn2_in_(weights.scope("ffn2.intermediate_dense"), width, kAny),
      ffn2_out_(weights.scope("ffn2.output_dense"), ffn2_in_.weight.size(0), width),
      final_norm_(stream_norm(weights.scope("final_layer_norm"), width)) {
  if (width % distance_.size(1) != 0) {
    throw Error(ErrorCode::kModel, "w2v-bert: width " + std::to_string(width) +
                                       " is not a multiple of the head width " +
                                       std::to_string(distance_.size(1)) + " of " + weights.path());
  }
}

at::Tensor W2vBertLayer::forward(const at::Tensor& x, const at::Tensor& distances,
                                 int64_t valid_rows) const {
  const at::ScalarType dtype = query_.weight.scalar_type();
  at::Tensor h = x.add(ffn1_out_(silu(ffn1_in_(ffn1_norm_(x).to(dtype)))), 0.5);
  h = h.add(attention(attention_norm_(h).to(dtype), distances, valid_rows));
  h = h.add(convolution(conv_norm_(h).to(dtype), valid_rows));
  h = h.add(ffn2_out_(silu(ffn2_in_(ffn2_norm_(h).to(dtype)))), 0.5);
  return final_norm_(h);
}

at::Tensor W2vBertLayer::attention(const at::Tensor& x, const at::Tensor& distances,
                                   int64_t valid_rows) const {
  const int64_t rows = x.size(1), heads = x.size(2) / distance_.size(1);
  const at::Tensor q = split_heads(query_(x), heads);
  // Each query meets each distance once; then every (query, key) pair picks its own.
  const at::Tensor by_distance =
      q.matmul(distance_.t()).div_(std::sqrt(static_cast<double>(distance_.size(1))));
  const at::Tensor bias = gather_mask(by_distance, distances);
  if (valid_rows < rows) {
    bias.narrow(-1, valid_rows, rows - valid_rows).fill_(-std::numeric_limits<float>::infinity());
  }
  const at::Tensor k = split_heads(key_(x), heads), v = split_heads(value_(x), heads);
  return attention_out_(merge_heads(attend(q, k, v, bias)));
}

at::Tensor W2vBertLayer::convolution(const at::Tensor& x, int64_t valid_rows) const {
  const at::Tensor gated = glu(conv_in_(without_padding(x, valid_rows)), -1);
  const at::Tensor mixed =
      depthwise_(gated.transpose(1, 2)).narrow(2, 0, x.size(1)).transpose(1, 2);
  return conv_out_(silu(depthwise_norm_(mixed)));
}

W2vBert::W2vBert(const Weights& weights, const W2vBertOptions& options)
    : norm_(stream_norm(below_prefix(weights).scope("feature_projection.layer_norm"), kAny)),
      projection_(below_prefix(weights).scope("feature_projection.projection"),
                  norm_.weight.size(0), kAny),
      left_(options.left_positions),
      right_(options.right_positions),
      unused_names_({"masked_spec_embed", "adapter"}) {
  const Weights root = below_prefix(weights);
  const int64_t available = root.count("encoder.layers");
  const int64_t wanted = std::min(options.hidden_layer, available);
  if (wanted < 1) {
    throw Error(ErrorCode::kModel, "w2v-bert: expected at least 1 layer, got " +
                                       std::to_string(wanted) + " in " + weights.path());
  }
  for (int64_t i = 0; i < wanted; ++i) {
    layers_.emplace_back(root.scope("encoder.layers", i), width(), options);
  }
  for (int64_t i = wanted; i < available; ++i) {
    unused_names_.push_back("encoder.layers." + std::to_string(i));
  }
  if (weights.has_scope("wav2vec2_bert")) {
    for (std::string& name : unused_names_) name = "wav2vec2_bert." + name;
  }
}

at::Tensor W2vBert::distances(const at::Tensor& hidden) const {
  const at::Tensor rows = index_range(0, hidden.size(1), hidden.device());
  return rows.unsqueeze(0).sub(rows.unsqueeze(1)).clamp_(-left_, right_).add_(left_);
}

at::Tensor W2vBert::project(const at::Tensor& features, int64_t valid_rows) const {
  const at::Tensor normed = norm_(features).to(projection_.weight.scalar_type());
  return without_padding(projection_(normed).to(at::kFloat), valid_rows);
}

at::Tensor W2vBert::layer(int64_t index, const at::Tensor& hidden, int64_t valid_rows) const {
  return layers_.at(index).forward(hidden, distances(hidden), valid_rows);
}

at::Tensor W2vBert::forward(const at::Tensor& features, int64_t valid_rows) const {
  at::Tensor hidden = project(features, valid_rows);
  const at::Tensor index = distances(hidden);
  for (const W2vBertLayer& layer : layers_) hidden = layer.forward(hidden, index, valid_rows);
  return hidden;
}

}  // namespace indextts2
