// CAMPPlus speaker encoder in evaluation mode, with every batch norm that follows a convolution
// folded into it. Follows index-tts ee40fa7, indextts/s2mel/modules/campplus/DTDNN.py, CAMPPlus.
#include "modules/campplus.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "ops/pointwise_conv.h"

namespace indextts2 {
namespace {

constexpr int64_t kSegmentFrames = 100;  // of the context pooling
constexpr int64_t kDilations[] = {1, 2, 2};

// A batch norm; its training counter is taken too, so that it does not show up as an unused tensor.
FoldedBatchNorm take_norm(const Weights& weights) {
  if (weights.has("num_batches_tracked")) weights.take("num_batches_tracked", {});
  return FoldedBatchNorm(weights, kAny);
}

// A 3x3 or 1x1 convolution without bias that keeps the size but for `stride` along frequency, and
// its norm.
Conv2d take_conv2d(const Weights& weights, const std::string& conv, const std::string& norm,
                   int64_t stride) {
  const int64_t kernel = weights.shape(conv + ".weight").back();
  Conv2dOptions options;
  options.stride = {stride, 1};
  options.padding = {kernel / 2, kernel / 2};
  options.bias = Bias::kNo;
  options.any_length = true;
  Conv2d layer(weights.scope(conv), kAny, kAny, kernel, kernel, options);
  take_norm(weights.scope(norm)).fold_into(layer);
  return layer;
}

Conv1d take_conv1d(const Weights& weights, Conv1dOptions options) {
  const int64_t kernel = weights.shape("weight").back();
  options.padding = kernel / 2 * options.dilation;
  return Conv1d(weights, kAny, kAny, kernel, options);
}

Conv1dOptions plain(Bias bias, int64_t stride = 1, int64_t dilation = 1) {
  Conv1dOptions options;
  options.bias = bias;
  options.stride = stride;
  options.dilation = dilation;
  options.any_length = true;
  return options;
}

Conv1d take_folded(const Weights& conv, const Weights& norm, int64_t stride = 1) {
  Conv1d layer = take_conv1d(conv, plain(Bias::kNo, stride));
  take_norm(norm).fold_into(layer);
  return layer;
}

// Mean over each run of kSegmentFrames frames, the last one shorter: [1, C, T] -> [1, C, S].
at::Tensor segment_means(const at::Tensor& x) {
  const int64_t frames = x.size(2), segments = (frames + kSegmentFrames - 1) / kSegmentFrames;
  at::Tensor means = x.new_empty({1, x.size(1), segments});
  for (int64_t i = 0; i < segments; ++i) {
    const int64_t start = i * kSegmentFrames, length = std::min(kSegmentFrames, frames - start);
    means.narrow(2, i, 1).copy_(x.narrow(2, start, length).mean(2, /*keepdim=*/true));
  }
  return means;
}

std::vector<CampplusResidual> take_residuals(const Weights& head) {
  std::vector<CampplusResidual> residuals;
  for (const char* name : {"layer1", "layer2"}) {
    const int64_t count = head.count(name);
    for (int64_t i = 0; i < count; ++i) residuals.emplace_back(head.scope(name, i), i == 0 ? 2 : 1);
  }
  return residuals;
}

std::vector<std::vector<CampplusDense>> take_blocks(const Weights& xvector) {
  std::vector<std::vector<CampplusDense>> blocks;
  for (const int64_t dilation : kDilations) {
    const Weights block = xvector.scope("block" + std::to_string(blocks.size() + 1));
    blocks.emplace_back();
    for (int i = 1; block.has_scope("tdnnd" + std::to_string(i)); ++i) {
      blocks.back().emplace_back(block.scope("tdnnd" + std::to_string(i)), dilation);
    }
    if (blocks.back().empty()) {
      throw Error(ErrorCode::kModel, "campplus: expected layers xvector.block" +
                                         std::to_string(blocks.size()) +
                                         ".tdnnd1 and on, got none in " + xvector.path());
    }
  }
  return blocks;
}

// The last dense layer: a 1x1 convolution and a norm without weights.
Linear take_dense(const Weights& weights) {
  Linear linear = take_pointwise_conv(weights.scope("linear"), kAny, kAny, Bias::kNo);
  const FoldedBatchNorm norm = take_norm(weights.scope("nonlinear.batchnorm"));
  return Linear(linear.weight.mul(norm.scale.unsqueeze(1)), norm.shift);
}

}  // namespace

CampplusResidual::CampplusResidual(const Weights& weights, int64_t stride)
    : conv1_(take_conv2d(weights, "conv1", "bn1", stride)),
      conv2_(take_conv2d(weights, "conv2", "bn2", 1)) {
  if (weights.has_scope("shortcut"))
    shortcut_.push_back(take_conv2d(weights, "shortcut.0", "shortcut.1", stride));
}

at::Tensor CampplusResidual::forward(const at::Tensor& x) const {
  const at::Tensor changed = conv2_(conv1_(x).relu_());
  return changed.add(shortcut_.empty() ? x : shortcut_.front()(x)).relu_();
}

CampplusDense::CampplusDense(const Weights& weights, int64_t dilation)
    : norm_(take_norm(weights.scope("nonlinear1.batchnorm"))),
      bottleneck_(take_folded(weights.scope("linear1"), weights.scope("nonlinear2.batchnorm"))),
      local_(take_conv1d(weights.scope("cam_layer.linear_local"), plain(Bias::kNo, 1, dilation))),
      context1_(take_conv1d(weights.scope("cam_layer.linear1"), plain(Bias::kYes))),
      context2_(take_conv1d(weights.scope("cam_layer.linear2"), plain(Bias::kYes))) {}

at::Tensor CampplusDense::forward(const at::Tensor& x) const {
  const at::Tensor y = bottleneck_(norm_(x).relu_()).relu_();
  // The gate is the same within a segment, so it is computed once a segment.
  const at::Tensor context = segment_means(y).add_(y.mean(2, /*keepdim=*/true));
  const at::Tensor gate = context2_(context1_(context).relu_()).sigmoid_();
  const at::Tensor spread = gate.repeat_interleave(kSegmentFrames, 2).narrow(2, 0, y.size(2));
  return local_(y).mul_(spread);
}

Campplus::Campplus(const Weights& weights)
    : head_in_(take_conv2d(weights.scope("head"), "conv1", "bn1", 1)),
      residuals_(take_residuals(weights.scope("head"))),
      head_out_(take_conv2d(weights.scope("head"), "conv2", "bn2", 2)),
      tdnn_(take_folded(weights.scope("xvector.tdnn.linear"),
                        weights.scope("xvector.tdnn.nonlinear.batchnorm"), /*stride=*/2)),
      blocks_(take_blocks(weights.scope("xvector"))),
      dense_(take_dense(weights.scope("xvector.dense"))) {
  const Weights xvector = weights.scope("xvector");
  for (size_t i = 1; i <= blocks_.size(); ++i) {
    const Weights transit = xvector.scope("transit" + std::to_string(i));
    transits_.push_back({take_norm(transit.scope("nonlinear.batchnorm")),
                         take_conv1d(transit.scope("linear"), plain(Bias::kNo))});
  }
  // Only the pooling reads the last transit, so the norm between them belongs to it.
  take_norm(xvector.scope("out_nonlinear.batchnorm")).fold_into(transits_.back().conv);
}

at::Tensor Campplus::tdnn(const at::Tensor& fbank) const {
  at::Tensor x = head_in_(fbank.transpose(1, 2).unsqueeze(1)).relu_();
  for (const CampplusResidual& residual : residuals_) x = residual.forward(x);
  x = head_out_(x).relu_();
  return tdnn_(x.view({1, x.size(1) * x.size(2), x.size(3)})).relu_();
}

at::Tensor Campplus::block(int64_t index, const at::Tensor& x) const {
  const std::vector<CampplusDense>& layers = blocks_.at(index);
  const int64_t channels = layers.back().inputs() + layers.back().growth();
  at::Tensor all = x.new_empty({1, channels, x.size(2)});
  all.narrow(1, 0, x.size(1)).copy_(x);
  for (const CampplusDense& layer : layers) {
    const int64_t before = layer.inputs();
    all.narrow(1, before, layer.growth()).copy_(layer.forward(all.narrow(1, 0, before)));
  }
  return all;
}

at::Tensor Campplus::transit(int64_t index, const at::Tensor& x) const {
  const Transit& transit = transits_.at(index);
  return transit.conv(transit.norm(x).relu_());
}

at::Tensor Campplus::statistics(const at::Tensor& x) const {
  const at::Tensor active = x.relu();
  const int64_t channels = x.size(1);
  at::Tensor both = x.new_empty({1, 2 * channels});
  both.narrow(1, 0, channels).copy_(active.mean(2));
  both.narrow(1, channels, channels).copy_(active.std(at::IntArrayRef{2}, /*unbiased=*/true));
  return both;
}

at::Tensor Campplus::style(const at::Tensor& statistics) const { return dense_(statistics); }

at::Tensor Campplus::forward(const at::Tensor& fbank) const {
  at::Tensor x = tdnn(fbank);
  for (int64_t i = 0; i < num_blocks(); ++i) x = transit(i, block(i, x));
  return style(statistics(x));
}

}  // namespace indextts2
