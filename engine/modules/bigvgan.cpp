// BigVGAN: log-mel to waveform.
// Follows index-tts ee40fa7, indextts/s2mel/modules/bigvgan/bigvgan.py, BigVGAN with AMPBlock1.
#include "modules/bigvgan.h"

#include "core/error.h"

namespace indextts2 {
namespace {

// A convolution that keeps the number of frames.
Conv1d take_same(const Weights& weights, int64_t in, int64_t out, int64_t dilation, Bias bias) {
  Conv1dOptions options;
  options.dilation = dilation;
  options.padding = (weights.normed_shape().at(2) - 1) / 2 * dilation;
  options.bias = bias;
  return Conv1d(weights, in, out, kAny, options);
}

}  // namespace

BigVgan::ResBlock::ResBlock(const Weights& weights, int64_t channels,
                            const std::vector<int64_t>& dilations) {
  const auto take = [&](const char* convolutions, int64_t index, int64_t activation,
                        int64_t dilation) {
    return SnakeConv(
        AntiAliasedSnake(weights.scope("activations", activation), channels),
        take_same(weights.scope(convolutions, index), channels, channels, dilation, Bias::kYes));
  };
  for (size_t i = 0; i < dilations.size(); ++i) {
    const auto pair = static_cast<int64_t>(i);
    dilated.push_back(take("convs1", pair, 2 * pair, dilations[i]));
    plain.push_back(take("convs2", pair, 2 * pair + 1, 1));
  }
}

at::Tensor BigVgan::ResBlock::operator()(const at::Tensor& input) const {
  at::Tensor x = input;
  for (size_t i = 0; i < dilated.size(); ++i) x = plain[i](dilated[i](x), x);
  return x;
}

BigVgan::Stage BigVgan::take_stage(const Weights& weights, int64_t index, int64_t channels,
                                   const BigvganConfig& config) {
  const Weights scope = weights.scope("ups", index).scope("0");
  const int64_t rate = config.upsample_rates[static_cast<size_t>(index)];
  const int64_t kernel = scope.normed_shape().at(2);
  if (rate < 1 || kernel < rate || (kernel - rate) % 2 != 0) {
    throw Error(ErrorCode::kModel,
                "bigvgan/config.json: upsample_rates: expected a rate that fits the kernel of " +
                    std::to_string(kernel) + " of stage " + std::to_string(index) + ", got " +
                    std::to_string(rate) + "; does it belong to " + weights.path() + "?");
  }
  Stage stage{ConvTranspose1d(scope, channels, kAny, kernel, rate, (kernel - rate) / 2), {}};
  const auto blocks = static_cast<int64_t>(config.resblock_dilation_sizes.size());
  for (int64_t i = 0; i < blocks; ++i) {
    stage.blocks.emplace_back(weights.scope("resblocks", index * blocks + i),
                              stage.up.weight.size(1),
                              config.resblock_dilation_sizes[static_cast<size_t>(i)]);
  }
  return stage;
}

BigVgan::BigVgan(const Weights& weights, const BigvganConfig& config)
    : conv_pre_(take_same(weights.scope("conv_pre"), kAny, kAny, 1, Bias::kYes)) {
  const auto stages = static_cast<int64_t>(config.upsample_rates.size());
  if (stages != weights.count("ups") || stages == 0 ||
      weights.count("resblocks") !=
          stages * static_cast<int64_t>(config.resblock_dilation_sizes.size())) {
    throw Error(ErrorCode::kModel,
                "bigvgan/config.json: upsample_rates and resblock_dilation_sizes: expected " +
                    std::to_string(weights.count("ups")) + " stages and " +
                    std::to_string(weights.count("resblocks")) + " residual blocks in all as in " +
                    weights.path() + ", got " + std::to_string(stages) + " stages of " +
                    std::to_string(config.resblock_dilation_sizes.size()) + " blocks");
  }
  int64_t channels = conv_pre_.weight.size(0);
  for (int64_t i = 0; i < stages; ++i) {
    stages_.push_back(take_stage(weights, i, channels, config));
    channels = stages_.back().up.weight.size(1);
    hop_ *= config.upsample_rates[static_cast<size_t>(i)];
  }
  activation_post_.emplace_back(weights.scope("activation_post"), channels);
  const Weights post = weights.scope("conv_post");
  conv_post_.push_back(take_same(post, channels, 1, 1, post.has("bias") ? Bias::kYes : Bias::kNo));
}

at::Tensor BigVgan::operator()(const at::Tensor& mel, const StopToken& stop,
                               const Trace& trace) const {
  const auto show = [&](const std::string& name, const at::Tensor& x) {
    if (trace) trace(name, x);
  };
  at::Tensor x = conv_pre_(mel);
  show("conv_pre", x);
  for (size_t i = 0; i < stages_.size(); ++i) {
    x = stages_[i].up(x);
    show("up_" + std::to_string(i), x);
    at::Tensor sum;
    for (const ResBlock& block : stages_[i].blocks) {
      stop.check();
      const at::Tensor y = block(x);
      sum = sum.defined() ? sum.add_(y) : y;
    }
    x = sum.div_(static_cast<double>(stages_[i].blocks.size()));
  }
  x = activation_post_.front()(x);
  show("activation_post", x);
  return conv_post_.front()(x).clamp_(-1.0, 1.0);
}

}  // namespace indextts2
