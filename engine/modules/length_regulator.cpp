// Length regulator: stretches semantic features to mel frames.
// Follows index-tts ee40fa7, indextts/s2mel/modules/length_regulator.py, InterpolateRegulator.
#include "modules/length_regulator.h"

#include "ops/activation.h"
#include "ops/frames.h"

namespace indextts2 {
namespace {

constexpr int64_t kModulesPerBlock =
    3;  // convolution, norm, activation in the checkpoint's sequence "model"

// Index of the last convolution: the highest N of "model.N".
int64_t last_module(const Weights& weights) {
  int64_t index = 0;
  while (weights.has_scope("model." + std::to_string(index + kModulesPerBlock))) {
    index += kModulesPerBlock;
  }
  return index;
}

// Nearly every segment has a length of its own.
Conv1dOptions any_length(int64_t padding) {
  Conv1dOptions options;
  options.padding = padding;
  options.any_length = true;
  return options;
}

}  // namespace

LengthRegulator::Block::Block(const Weights& convolution, const Weights& normalisation,
                              int64_t channels)
    : conv(convolution, channels, channels, /*kernel=*/3, any_length(/*padding=*/1)),
      norm(normalisation, channels) {}

LengthRegulator::LengthRegulator(const Weights& weights)
    : input_(weights.scope("content_in_proj"), kAny, kAny),
      output_(weights.scope("model", last_module(weights)), input_.weight.size(0), kAny,
              /*kernel=*/1, any_length(/*padding=*/0)) {
  const int64_t channels = input_.weight.size(0);
  for (int64_t i = 0; i < last_module(weights); i += kModulesPerBlock) {
    blocks_.emplace_back(weights.scope("model", i), weights.scope("model", i + 1), channels);
  }
}

at::Tensor LengthRegulator::operator()(const at::Tensor& features, int64_t frames) const {
  // Stretching after the projection, as here, or before it gives the same rows.
  at::Tensor x = resize_nearest(input_(features), frames).transpose(1, 2);
  for (const Block& block : blocks_) x = mish(block.norm(block.conv(x)));
  return output_(x).transpose(1, 2).contiguous();
}

}  // namespace indextts2
