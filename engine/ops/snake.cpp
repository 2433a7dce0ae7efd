// The anti-aliased periodic activation of BigVGAN.
// Follows index-tts ee40fa7, indextts/s2mel/modules/bigvgan/alias_free_activation/torch/act.py,
// Activation1d.
#include "ops/snake.h"

#include <ATen/Parallel.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv_transpose1d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/replication_pad1d.h>

#include <algorithm>

#include "ops/snake_loop.h"

namespace indextts2 {
namespace {

constexpr double kEps = 1e-9;

std::array<float, kSnakeTaps> taps(const at::Tensor& filter, float factor) {
  std::array<float, kSnakeTaps> values;
  std::copy_n(filter.const_data_ptr<float>(), kSnakeTaps, values.begin());
  for (float& value : values) value *= factor;
  return values;
}

}  // namespace

AntiAliasedSnake::AntiAliasedSnake(const Weights& weights, int64_t channels) {
  const at::ScalarType dtype = weights.options().dtype;
  const Weights act = weights.scope("act");
  frequency = act.take_float("alpha", {channels}).exp().to(dtype);
  gain = act.take_float("beta", {frequency.size(0)}).exp().add(kEps).reciprocal().to(dtype);
  up_filter = weights.take("upsample.filter", {1, 1, kAny});
  down_filter = weights.take("downsample.lowpass.filter", {1, 1, up_filter.size(2)});
}

at::Tensor AntiAliasedSnake::compose(const at::Tensor& x) const {
  const int64_t channels = x.size(1), taps = up_filter.size(2);
  const int64_t pad = taps / 2 - 1;               // samples repeated at both ends
  const int64_t crop = 2 * pad + (taps - 2) / 2;  // of the doubled rate
  at::Tensor wide = at::replication_pad1d(x, {pad, pad});
  wide = at::conv_transpose1d(wide, up_filter.expand({channels, -1, -1}), {}, /*stride=*/2,
                              /*padding=*/0, /*output_padding=*/0, /*groups=*/channels)
             .mul_(2);
  wide = wide.narrow(2, crop, 2 * x.size(2));
  const at::Tensor wave = wide.mul(frequency.view({1, channels, 1})).sin_();
  wide = wide.add(wave.mul_(wave).mul_(gain.view({1, channels, 1})));
  wide = at::replication_pad1d(wide, {taps / 2 - 1, taps / 2});
  return at::conv1d(wide, down_filter.expand({channels, -1, -1}), {}, at::IntArrayRef{2}, at::IntArrayRef{0},
                    at::IntArrayRef{1}, /*groups=*/channels);
}

at::Tensor AntiAliasedSnake::operator()(const at::Tensor& x) const {
  if (!x.device().is_cpu() || x.scalar_type() != at::kFloat || up_filter.size(2) != kSnakeTaps ||
      x.size(2) == 0) {
    return compose(x);
  }
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty_like(in);
  const int64_t channels = in.size(1), frames = in.size(2);
  const int64_t blocks = (frames + kSnakeBlock - 1) / kSnakeBlock;
  SnakeRow filters{0, 0, taps(up_filter, 2), taps(down_filter, 1)};
  const float* source = in.const_data_ptr<float>();
  const float* frequencies = frequency.const_data_ptr<float>();
  const float* gains = gain.const_data_ptr<float>();
  float* target = out.mutable_data_ptr<float>();
  at::parallel_for(0, in.size(0) * channels * blocks, /*grain_size=*/16,
                   [&](int64_t begin, int64_t end) {
                     SnakeRow row = filters;
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t line = i / blocks, channel = line % channels;
                       row.frequency = frequencies[channel];
                       row.gain = gains[channel];
                       snake_block(source + line * frames, target + line * frames, frames,
                                   i % blocks * kSnakeBlock, row);
                     }
                   });
  return out;
}

}  // namespace indextts2
