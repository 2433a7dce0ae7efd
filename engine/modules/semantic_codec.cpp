// Semantic codec: ConvNeXt encoder and factorised vector quantiser.
// Follows index-tts ee40fa7, indextts/utils/maskgct/models/codec/kmeans/repcodec_model.py,
// RepCodec.
#include "modules/semantic_codec.h"

#include "ops/activation.h"

namespace indextts2 {
namespace {

constexpr double kNormEps = 1e-6;
constexpr double kLengthEps = 1e-12;  // of torch.nn.functional.normalize
const char* const kQuantizer = "quantizer.quantizers.0";

// Rows of length 1 along the last dimension.
at::Tensor directions(const at::Tensor& x) {
  return x.div(x.norm(2, -1, /*keepdim=*/true).clamp_min_(kLengthEps));
}

Conv1dOptions same_length(int64_t kernel, int64_t groups) {
  Conv1dOptions options;
  options.padding = kernel / 2;
  options.groups = groups;
  options.any_length = true;
  return options;
}

// What decides between codes is kept as exact as it computes.
Linear take_exact(const Weights& pointwise, int64_t in) {
  const at::Tensor weight = pointwise.take_normed({kAny, in, 1}).squeeze(2);
  return Linear(weight, pointwise.take("bias", {weight.size(0)}));
}

std::vector<ConvNextBlock> take_blocks(const Weights& weights, int64_t width) {
  std::vector<ConvNextBlock> blocks;
  const int64_t count = weights.count("convnext");
  for (int64_t i = 0; i < count; ++i) blocks.emplace_back(weights.scope("convnext", i), width);
  return blocks;
}

}  // namespace

ConvNextBlock::ConvNextBlock(const Weights& weights, int64_t width)
    : depthwise_(weights.scope("dwconv"), width, width, kAny,
                 same_length(weights.shape("dwconv.weight").back(), width)),
      norm_(weights.scope("norm"), width, kNormEps),
      in_(weights.scope("pwconv1"), width, kAny),
      out_(weights.scope("pwconv2"), in_.weight.size(0), width),
      gamma_(weights.take("gamma", {width})) {}

at::Tensor ConvNextBlock::forward(const at::Tensor& x) const {
  const at::Tensor mixed = depthwise_(x.transpose(1, 2)).transpose(1, 2);
  return x.add(out_(gelu(in_(norm_(mixed)))).mul_(gamma_));
}

SemanticCodec::SemanticCodec(const Weights& weights)
    : embed_(weights.scope("encoder.0.embed"), kAny, kAny, kAny,
             same_length(weights.shape("encoder.0.embed.weight").back(), /*groups=*/1)),
      norm_(weights.scope("encoder.0.norm"), embed_.weight.size(0), kNormEps),
      blocks_(take_blocks(weights.scope("encoder.0"), embed_.weight.size(0))),
      final_norm_(weights.scope("encoder.0.final_layer_norm"), embed_.weight.size(0), kNormEps),
      out_(weights.scope("encoder.1"), embed_.weight.size(0), embed_.weight.size(1)),
      in_project_(take_exact(weights.scope(kQuantizer).scope("in_project"), embed_.weight.size(1))),
      directions_(directions(
          weights.scope(kQuantizer).take("codebook.weight", {kAny, in_project_.weight.size(0)}))),
      lengths_(directions_.square().sum(-1)),
      embedding_(weights, CodeEmbedding::Keep::kCodebook) {}

at::Tensor SemanticCodec::encode(const at::Tensor& features) const {
  at::Tensor x = norm_(embed_(features.transpose(1, 2)).transpose(1, 2));
  for (const ConvNextBlock& block : blocks_) x = block.forward(x);
  return out_(final_norm_(x));
}

at::Tensor SemanticCodec::latent(const at::Tensor& encoded) const { return in_project_(encoded); }

SemanticCodec::Quantized SemanticCodec::quantize(const at::Tensor& features) const {
  const at::Tensor codes = nearest(latent(encode(features)));
  return {codes, embedding_(codes)};
}

at::Tensor SemanticCodec::nearest(const at::Tensor& latent) const {
  // The smallest distance |e|^2 - 2 e c + |c|^2; |e|^2 is the same for all codes.
  return directions(latent).matmul(directions_.t()).mul_(2).sub_(lengths_).argmax(-1);
}

const std::vector<std::string>& SemanticCodec::unused_names() {
  static const std::vector<std::string> names = {"decoder"};
  return names;
}

}  // namespace indextts2
