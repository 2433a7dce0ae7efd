// Conformer encoder with 2x convolutional subsampling.
// Follows index-tts ee40fa7, indextts/gpt/conformer_encoder.py, ConformerEncoder (input_layer
// conv2d2, no macaron).
#include "modules/conformer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/host_tensor.h"
#include "ops/pointwise_conv.h"

namespace indextts2 {
namespace {

constexpr int64_t kSubsampleKernel = 3, kSubsampleStride = 2;
constexpr double kPositionBase = 10000;
constexpr int64_t kKeptPositions = 512;  // of the table in the file: those of a clip of 20 s
// Bound the memory of the subsampling, whose output has C * W / 2 values a frame: frames that are
// multiplied at once, and of these frames that are convolved at once, which computes in float32.
constexpr int64_t kChunkFrames = 32, kMapFrames = 16;

Conv1dOptions depthwise_options(int64_t width, int64_t kernel) {
  Conv1dOptions options;
  options.groups = width;
  options.any_length = true;
  options.padding = kernel / 2;
  return options;
}

Conv2dOptions subsample_options() {
  Conv2dOptions options;
  options.stride = {kSubsampleStride, kSubsampleStride};
  options.any_length = true;
  return options;
}

// Sine and cosine in turn along the columns, in float32 as the reference computes its table.
std::vector<float> sinusoids(int64_t frames, int64_t width) {
  std::vector<float> table(frames * width);
  for (int64_t c = 0; c < width; c += 2) {
    const float rate =
        std::exp(static_cast<float>(c) * static_cast<float>(-std::log(kPositionBase) / width));
    for (int64_t t = 0; t < frames; ++t) {
      const float angle = static_cast<float>(t) * rate;
      table[t * width + c] = std::sin(angle);
      if (c + 1 < width) table[t * width + c + 1] = std::cos(angle);
    }
  }
  return table;
}

std::vector<ConformerBlock> take_blocks(const Weights& weights, int64_t width) {
  std::vector<ConformerBlock> blocks;
  const int64_t count = weights.count("encoders");
  for (int64_t i = 0; i < count; ++i) blocks.emplace_back(weights.scope("encoders", i), width);
  return blocks;
}

}  // namespace

ConformerBlock::ConformerBlock(const Weights& weights, int64_t width)
    : attention_norm_(weights.scope("norm_mha"), width),
      bias_u_(weights.take("self_attn.pos_bias_u", {kAny, kAny})),
      bias_v_(weights.take("self_attn.pos_bias_v", bias_u_.sizes())),
      query_(weights.scope("self_attn.linear_q"), width, bias_u_.numel()),
      key_(weights.scope("self_attn.linear_k"), width, bias_u_.numel()),
      value_(weights.scope("self_attn.linear_v"), width, bias_u_.numel()),
      position_(weights.scope("self_attn.linear_pos"), width, bias_u_.numel(), Bias::kNo),
      attention_out_(weights.scope("self_attn.linear_out"), bias_u_.numel(), width),
      conv_norm_(weights.scope("norm_conv"), width),
      conv_in_(take_pointwise_conv(weights.scope("conv_module.pointwise_conv1"), width, 2 * width)),
      depthwise_(
          weights.scope("conv_module.depthwise_conv"), width, width, kAny,
          depthwise_options(width, weights.shape("conv_module.depthwise_conv.weight").back())),
      depthwise_norm_(weights.scope("conv_module.norm"), width),
      conv_out_(take_pointwise_conv(weights.scope("conv_module.pointwise_conv2"), width, width)),
      ff_norm_(weights.scope("norm_ff"), width),
      ff_in_(weights.scope("feed_forward.w_1"), width, kAny),
      ff_out_(weights.scope("feed_forward.w_2"), ff_in_.weight.size(0), width),
      final_norm_(weights.scope("norm_final"), width) {}

at::Tensor ConformerBlock::forward(const at::Tensor& x, const at::Tensor& positions) const {
  at::Tensor h = x.add(attention(attention_norm_(x), positions));
  h = h.add(convolution(conv_norm_(h)));
  h = h.add(ff_out_(silu(ff_in_(ff_norm_(h)))));
  return final_norm_(h);
}

at::Tensor ConformerBlock::attention(const at::Tensor& x, const at::Tensor& positions) const {
  const int64_t heads = bias_u_.size(0);
  const at::Tensor q = split_heads(query_(x), heads);
  const at::Tensor k = split_heads(key_(x), heads), v = split_heads(value_(x), heads);
  const at::Tensor p = split_heads(position_(positions), heads);
  // Positions are absolute here: the reference leaves out the shift to relative ones.
  const at::Tensor content = q.add(bias_u_.unsqueeze(1)).matmul(k.transpose(-2, -1));
  const at::Tensor place = q.add(bias_v_.unsqueeze(1)).matmul(p.transpose(-2, -1));
  const at::Tensor scores =
      content.add(place).div_(std::sqrt(static_cast<double>(bias_u_.size(1))));
  return attention_out_(merge_heads(scores.softmax(-1).matmul(v)));
}

at::Tensor ConformerBlock::convolution(const at::Tensor& x) const {
  const at::Tensor mixed = depthwise_(glu(conv_in_(x), -1).transpose(1, 2)).transpose(1, 2);
  return conv_out_(silu(depthwise_norm_(mixed)));
}

ConformerEncoder::ConformerEncoder(const Weights& weights, int64_t input_width)
    : subsample_conv_(weights.scope("embed.conv.0"), 1, kAny, kSubsampleKernel, kSubsampleKernel,
                      subsample_options()),
      subsample_out_(weights.scope("embed.out.0"),
                     subsample_conv_.weight.size(0) * ((input_width - 1) / kSubsampleStride), kAny),
      blocks_(take_blocks(weights, subsample_out_.weight.size(0))),
      after_norm_(weights.scope("after_norm"), subsample_out_.weight.size(0)) {
  subsample_out_.bias = subsample_out_.bias.to(subsample_out_.weight.scalar_type());
  if (weights.has("embed.pos_enc.pe")) {
    const at::Tensor table = weights.take("embed.pos_enc.pe", {1, kAny, width()});
    position_table_ = table.narrow(1, 0, std::min(table.size(1), kKeptPositions)).clone();
  }
}

// Frame t of the output reads frames 2t .. 2t + 2 of the input, so that runs of frames can be made
// one after another. -> [1, count, C * W'] in the dtype that they are multiplied in.
at::Tensor ConformerEncoder::convolve(const at::Tensor& features, int64_t start,
                                      int64_t count) const {
  at::Tensor rows = features.new_empty({1, count, subsample_out_.weight.size(1)},
                                       subsample_out_.weight.options());
  for (int64_t done = 0; done < count; done += kMapFrames) {
    const int64_t frames = std::min(kMapFrames, count - done);
    const at::Tensor run =
        features.narrow(1, (start + done) * kSubsampleStride, frames * kSubsampleStride + 1);
    const at::Tensor maps = subsample_conv_(run.unsqueeze(1)).relu_();  // [1, C, frames, W']
    rows.narrow(1, done, frames)
        .view({1, frames, maps.size(1), maps.size(3)})
        .copy_(maps.transpose(1, 2));
  }
  return rows;
}

at::Tensor ConformerEncoder::subsample(const at::Tensor& features) const {
  const int64_t frames = (features.size(1) - 1) / kSubsampleStride;
  at::Tensor out = features.new_empty({1, frames, subsample_out_.weight.size(0)});
  for (int64_t start = 0; start < frames; start += kChunkFrames) {
    const int64_t count = std::min(kChunkFrames, frames - start);
    out.narrow(1, start, count).copy_(subsample_out_(convolve(features, start, count)));
  }
  return out;
}

at::Tensor ConformerEncoder::positions(int64_t frames) const {
  if (position_table_.defined() && frames <= position_table_.size(1))
    return position_table_.narrow(1, 0, frames);
  return host_tensor(sinusoids(frames, width()), {1, frames, width()})
      .to(after_norm_.weight.options());
}

at::Tensor ConformerEncoder::forward(const at::Tensor& features) const {
  if (features.size(1) < kSubsampleKernel) {
    throw Error(ErrorCode::kVoiceInvalid, "conformer: expected at least 3 frames, got " +
                                              std::to_string(features.size(1)) +
                                              "; give a longer clip");
  }
  at::Tensor x = subsample(features).mul_(std::sqrt(static_cast<double>(width())));
  const at::Tensor places = positions(x.size(1));
  for (const ConformerBlock& block : blocks_) x = block.forward(x, places);
  return after_norm_(x);
}

}  // namespace indextts2
