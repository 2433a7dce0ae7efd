// Projection of the text model's latent to semantic features.
// Follows index-tts ee40fa7, indextts/s2mel/modules/commons.py, MyModel ("gpt_layer").
#include "modules/gpt_layer.h"

#include "core/error.h"

namespace indextts2 {

GptLayer::GptLayer(const Weights& weights) {
  int64_t width = kAny;
  for (int64_t i = 0; weights.has_scope(std::to_string(i)); ++i) {
    layers_.emplace_back(weights.scope(std::to_string(i)), width, kAny);
    width = layers_.back().weight.size(0);
  }
  if (layers_.empty()) {
    throw Error(ErrorCode::kModel,
                "weights: gpt_layer: expected linear layers 0, 1, 2, got none in " +
                    weights.path() + "; is the model of version 2?");
  }
}

at::Tensor GptLayer::operator()(const at::Tensor& latent) const {
  at::Tensor x = latent;
  for (const Linear& layer : layers_) x = layer(x);
  return x;
}

}  // namespace indextts2
