// BigVGAN: log-mel to waveform by transposed convolutions and anti-aliased periodic activations.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "ops/layers.h"
#include "ops/snake.h"
#include "weights/config.h"

namespace indextts2 {

// Thread-safety: const.
class BigVgan {
 public:
  // `weights`: the scope "generator" of the checkpoint. Kernel sizes are taken from the tensors.
  BigVgan(const Weights& weights, const BigvganConfig& config);

  // Called with what a stage made: "conv_pre", "up_0", "up_1", ..., "activation_post".
  using Trace = std::function<void(const std::string& name, const at::Tensor& x)>;

  // mel [B, M, F] log-mel -> samples [B, 1, F * hop()], clamped to [-1, 1]. Tests `stop` between
  // residual blocks: Error{kCancelled}.
  at::Tensor operator()(const at::Tensor& mel, const StopToken& stop,
                        const Trace& trace = {}) const;

  int64_t mel_bands() const { return conv_pre_.weight.size(1); }
  int64_t hop() const { return hop_; }  // samples per frame
  at::TensorOptions options() const { return conv_pre_.weight.options(); }  // of the weights

  // A residual block: pairs of a dilated and a plain convolution, an activation before each.
  struct ResBlock {
    ResBlock(const Weights& weights, int64_t channels, const std::vector<int64_t>& dilations);
    at::Tensor operator()(const at::Tensor& x) const;
    std::vector<SnakeConv> dilated, plain;
  };
  struct Stage {
    ConvTranspose1d up;
    std::vector<ResBlock> blocks;  // side by side, their mean goes on
  };

  // The parts, for a device library to pack.
  const Conv1d& conv_pre() const { return conv_pre_; }
  const std::vector<Stage>& stages() const { return stages_; }
  const AntiAliasedSnake& activation_post() const { return activation_post_.front(); }
  const Conv1d& conv_post() const { return conv_post_.front(); }

 private:
  static Stage take_stage(const Weights& weights, int64_t index, int64_t channels,
                          const BigvganConfig& config);

  Conv1d conv_pre_;
  std::vector<Stage> stages_;
  std::vector<AntiAliasedSnake> activation_post_;  // one
  std::vector<Conv1d> conv_post_;                  // one
  int64_t hop_ = 1;
};

}  // namespace indextts2
