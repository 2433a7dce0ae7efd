// CAMPPlus: filter-bank frames -> one vector that says how a speaker sounds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/layers.h"

namespace indextts2 {

// Residual block of the 2-D front end; its batch norms are folded into the convolutions.
class CampplusResidual {
 public:
  CampplusResidual(const Weights& weights, int64_t stride);
  at::Tensor forward(const at::Tensor& x) const;  // [1, C, H, T] -> [1, C, H / stride, T]

 private:
  Conv2d conv1_, conv2_;
  std::vector<Conv2d> shortcut_;  // none or one
};

// Dense layer with context-aware masking: makes `growth` channels from all channels before it.
class CampplusDense {
 public:
  CampplusDense(const Weights& weights, int64_t dilation);
  int64_t growth() const { return local_.weight.size(0); }
  int64_t inputs() const { return bottleneck_.weight.size(1); }
  at::Tensor forward(const at::Tensor& x) const;  // [1, inputs, T] -> [1, growth, T]

 private:
  FoldedBatchNorm norm_;
  Conv1d bottleneck_;  // with the second batch norm
  Conv1d local_;
  Conv1d context1_, context2_;
};

// Thread-safety: const. Block lengths, widths and the number of bands come from the file.
class Campplus {
 public:
  explicit Campplus(const Weights& weights);

  int64_t style_width() const { return dense_.weight.size(0); }
  int64_t num_blocks() const { return static_cast<int64_t>(blocks_.size()); }

  // centred filter banks [1, frames, 80] -> style [1, style_width]
  at::Tensor forward(const at::Tensor& fbank) const;
  // The same in steps.
  at::Tensor tdnn(const at::Tensor& fbank) const;  // [1, frames, 80] -> [1, C, T]
  at::Tensor block(int64_t index,
                   const at::Tensor& x) const;  // [1, C, T] -> [1, C + layers * growth, T]
  at::Tensor transit(int64_t index, const at::Tensor& x) const;  // halves the channels
  at::Tensor statistics(const at::Tensor& x) const;      // mean and deviation over time: [1, 2 C]
  at::Tensor style(const at::Tensor& statistics) const;  // [1, style_width]

 private:
  struct Transit {
    FoldedBatchNorm norm;
    Conv1d conv;
  };

  Conv2d head_in_;
  std::vector<CampplusResidual> residuals_;
  Conv2d head_out_;
  Conv1d tdnn_;
  std::vector<std::vector<CampplusDense>> blocks_;
  std::vector<Transit> transits_;
  Linear dense_;
};

}  // namespace indextts2
