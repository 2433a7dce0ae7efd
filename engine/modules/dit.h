// Diffusion transformer: the velocity of the mel flow at one time, for the frames behind the
// prompt.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "modules/wavenet.h"
#include "ops/layers.h"
#include "weights/config.h"

namespace indextts2 {

// Shape letters: B rows (with and without guidance), F frames, P of them prompt, G = F - P
// generated, W width, M mel bands, S steps. What does not change from step to step is computed once
// a segment (constants) and once a solve (times).
// The inputs of one segment.
struct DitConstants {
  at::Tensor merged;  // [B, F, W] share of prompt, condition and style in the first layer's input
  at::Tensor rotary;  // [F, head size / 2] complex
  int64_t prompt_frames = 0;  // P
  // Velocity is wanted from this frame on, <= P. Frames before it are still attended to, but the
  // last layer and the head leave them out; behind `first` + halo() the result is the same as with
  // first = 0, up to rounding.
  int64_t first = 0;
};

// What depends on time alone, for each step of a solve. Layout: first dimension S.
struct DitTimes {
  at::Tensor norms;  // [S, 4 depth + 2, W] scale, shift, scale, shift, ... of the adaptive norms in
                     // order of use
  at::Tensor wavenet;  // [S, layers, 2 W']
  at::Tensor head;     // [S, 2, W'] scale and shift of the last norm
};

inline constexpr double kDitNormEps = 1e-5, kDitHeadNormEps = 1e-6;

// Thread-safety: const.
class Dit {
 public:
  // RMS norm whose scale and shift come from the time embedding.
  struct AdaptiveNorm {
    AdaptiveNorm(const Weights& weights, int64_t width);
    at::Tensor scale_and_shift(const at::Tensor& t) const;  // [S, W] -> [S, 2, W]
    Linear project;
    at::Tensor weight;
  };
  struct Layer {
    Layer(const Weights& weights, int64_t width, int64_t heads, bool takes_skip);
    // norms [4, W]; returns frames first .. F - 1.
    at::Tensor operator()(const at::Tensor& x, const at::Tensor& norms, const at::Tensor& rotary,
                          int64_t first) const;
    at::Tensor attend_from(const at::Tensor& x, const at::Tensor& rotary, int64_t first) const;
    at::Tensor feed_forward(const at::Tensor& x) const;

    AdaptiveNorm attention_norm, feed_forward_norm;
    Linear query, key_value, attention_out;
    Linear gate, up, down;
    std::vector<Linear> skip;  // none, or the one that takes [x, skip]
    int64_t heads;
  };

  Dit(const Weights& weights, const DitConfig& config, const WavenetConfig& wavenet);

  // t [S] float32 in [0, 1].
  DitTimes times(const at::Tensor& t) const;
  // prompt [B, P, M] log-mel, cond [B, F, condition width], style [B, style width]. With `guided`
  // rows without prompt, condition and style follow: 2 B rows.
  DitConstants constants(const at::Tensor& prompt, const at::Tensor& cond, const at::Tensor& style,
                         bool guided) const;
  // x [1 or B, G, M]: the noisy mel of the generated frames (that of the prompt frames is zero).
  // Returns the velocity of frames first .. F - 1: [B, F - first, M], in the dtype of the weights.
  at::Tensor velocity(const at::Tensor& x, const DitConstants& constants, const DitTimes& times,
                      int64_t step) const;

  int64_t mel_bands() const { return input_x_.weight.size(1); }
  int64_t cond_width() const { return cond_projection_.weight.size(1); }
  int64_t style_width() const { return input_style_.weight.size(1); }
  int64_t halo() const { return wavenet_.halo(); }
  int64_t min_frames() const { return wavenet_.min_frames(); }  // least F - first
  // The last `first` with which all generated frames come out right.
  int64_t first_needed(int64_t prompt_frames, int64_t frames) const;
  at::Tensor rotary(int64_t frames) const;  // DitConstants::rotary

  // The parts, for those who run them in another way.
  const std::vector<Layer>& layers() const { return layers_; }
  const WaveNet& wavenet() const { return wavenet_; }
  const Linear& input_x() const { return input_x_; }
  const Linear& skip_hidden() const { return skip_hidden_; }
  const Linear& skip_x() const { return skip_x_; }
  const Linear& head_in() const { return head_in_; }
  const Linear& residual() const { return residual_; }
  const Linear& head_linear() const { return head_linear_; }
  const Linear& head_out() const { return head_out_; }

  // Names below `weights` that inference does not use.
  static std::vector<std::string> unused_weights();

 private:
  // Sinusoids of t through two linear layers.
  struct TimeEmbedding {
    explicit TimeEmbedding(const Weights& weights);
    at::Tensor operator()(const at::Tensor& t) const;  // [S] -> [S, W]
    at::Tensor frequencies;                            // float32
    Linear first, second;
  };

  at::Tensor trunk(const at::Tensor& x, const DitConstants& constants,
                   const at::Tensor& norms) const;

  // Columns of cond_x_merge_linear: noisy mel, prompt mel, condition, style.
  Linear input_x_, input_prompt_, input_cond_, input_style_;
  Linear cond_projection_;
  TimeEmbedding time_, head_time_;
  std::vector<Layer> layers_;
  AdaptiveNorm final_norm_;
  Linear skip_hidden_, skip_x_;  // columns of skip_linear
  Linear head_in_, residual_;    // conv1, res_projection
  WaveNet wavenet_;
  Linear head_time_projection_, head_linear_, head_out_;
};

}  // namespace indextts2
