// The anti-aliased periodic activation of BigVGAN and the convolution behind it.
// Follows index-tts ee40fa7, indextts/s2mel/modules/bigvgan/alias_free_activation/torch/act.py,
// Activation1d.
#include "ops/snake.h"

#include <ATen/Parallel.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv_transpose1d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/replication_pad1d.h>

#include <algorithm>

#include "ops/conv_loop.h"

namespace indextts2 {
namespace {

constexpr double kEps = 1e-9;
// Above it LibTorch's convolution is used. An estimate: its speed was measured from 10 to 80 channels on one machine, the
// loop's only up to 40.
constexpr int64_t kMaxLoopChannels = 64;

bool on_cpu_float(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

std::array<float, kSnakeTaps> taps(const at::Tensor& filter, float factor) {
  std::array<float, kSnakeTaps> values;
  std::copy_n(filter.const_data_ptr<float>(), kSnakeTaps, values.begin());
  for (float& value : values) value *= factor;
  return values;
}

// out[i] = activation of x at first + i for 0 <= i < count, zero outside 0 .. frames - 1.
void snake_range(const float* x, int64_t frames, int64_t first, int64_t count, const SnakeRow& row,
                 float* out) {
  const int64_t begin = std::max<int64_t>(first, 0), end = std::min(first + count, frames);
  std::fill(out, out + (begin - first), 0.0f);
  for (int64_t t = begin; t < end; t += kSnakeBlock) {
    snake_block(x, frames, t, std::min(kSnakeBlock, end - t), row, out + (t - first));
  }
  std::fill(out + (end - first), out + count, 0.0f);
}

}  // namespace

AntiAliasedSnake::AntiAliasedSnake(const Weights& weights, int64_t channels) {
  const at::ScalarType dtype = weights.options().dtype;
  const Weights act = weights.scope("act");
  frequency_ = act.take_float("alpha", {channels}).exp().to(dtype);
  gain_ = act.take_float("beta", {frequency_.size(0)}).exp().add(kEps).reciprocal().to(dtype);
  up_filter_ = weights.take("upsample.filter", {1, 1, kAny});
  down_filter_ = weights.take("downsample.lowpass.filter", {1, 1, up_filter_.size(2)});
  if (!on_cpu_float(up_filter_) || up_filter_.size(2) != kSnakeTaps) return;
  const float* frequencies = frequency_.const_data_ptr<float>();
  const float* gains = gain_.const_data_ptr<float>();
  for (int64_t c = 0; c < frequency_.size(0); ++c) {
    rows_.push_back({frequencies[c], gains[c], taps(up_filter_, 2), taps(down_filter_, 1)});
  }
}

at::Tensor AntiAliasedSnake::compose(const at::Tensor& x) const {
  const int64_t channels = x.size(1), taps = up_filter_.size(2);
  const int64_t pad = taps / 2 - 1;               // samples repeated at both ends
  const int64_t crop = 2 * pad + (taps - 2) / 2;  // of the doubled rate
  at::Tensor wide = at::replication_pad1d(x, {pad, pad});
  wide = at::conv_transpose1d(wide, up_filter_.expand({channels, -1, -1}), {}, /*stride=*/2,
                              /*padding=*/0, /*output_padding=*/0, /*groups=*/channels)
             .mul_(2);
  wide = wide.narrow(2, crop, 2 * x.size(2));
  const at::Tensor wave = wide.mul(frequency_.view({1, channels, 1})).sin_();
  wide = wide.add(wave.mul_(wave).mul_(gain_.view({1, channels, 1})));
  wide = at::replication_pad1d(wide, {taps / 2 - 1, taps / 2});
  return at::conv1d(wide, down_filter_.expand({channels, -1, -1}), {}, at::IntArrayRef{2},
                    at::IntArrayRef{0}, at::IntArrayRef{1}, /*groups=*/channels);
}

at::Tensor AntiAliasedSnake::operator()(const at::Tensor& x) const {
  if (rows_.empty() || !on_cpu_float(x) || x.size(2) == 0) return compose(x);
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty_like(in);
  const int64_t channels = in.size(1), frames = in.size(2);
  const int64_t blocks = (frames + kSnakeBlock - 1) / kSnakeBlock;
  const float* source = in.const_data_ptr<float>();
  float* target = out.mutable_data_ptr<float>();
  at::parallel_for(
      0, in.size(0) * channels * blocks, /*grain_size=*/16, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t line = i / blocks, first = i % blocks * kSnakeBlock;
          snake_block(source + line * frames, frames, first, std::min(kSnakeBlock, frames - first),
                      rows_[static_cast<size_t>(line % channels)], target + line * frames + first);
        }
      });
  return out;
}

SnakeConv::SnakeConv(const AntiAliasedSnake& activation, const Conv1d& conv)
    : activation_(activation), conv_(conv) {
  const at::Tensor& weight = conv_.weight;
  if (activation_.rows().empty() || !on_cpu_float(weight) || conv_.options.groups != 1 ||
      conv_.options.stride != 1 || std::max(weight.size(0), weight.size(1)) > kMaxLoopChannels) {
    return;
  }
  const ConvShape shape{weight.size(1), weight.size(0), weight.size(2), conv_.options.dilation};
  if (2 * conv_.options.padding != (shape.kernel - 1) * shape.dilation) return;
  packed_ = pack_conv_weight(weight.contiguous().const_data_ptr<float>(), shape);
  bias_.resize(static_cast<size_t>(shape.out));
  if (conv_.bias.defined()) {
    std::copy_n(conv_.bias.const_data_ptr<float>(), shape.out, bias_.begin());
  }
}

at::Tensor SnakeConv::compose(const at::Tensor& x, const at::Tensor& residual) const {
  at::Tensor y = conv_(activation_(x));
  return residual.defined() ? y.add_(residual) : y;
}

at::Tensor SnakeConv::operator()(const at::Tensor& x, const at::Tensor& residual) const {
  if (packed_.empty() || !on_cpu_float(x) || x.size(2) == 0) return compose(x, residual);
  return run_loop(x.contiguous(), residual.defined() ? residual.contiguous() : residual);
}

// Each block of time is activated into a buffer that stays in the cache, with the neighbours that
// the convolution needs.
at::Tensor SnakeConv::run_loop(const at::Tensor& x, const at::Tensor& residual) const {
  const ConvShape shape{x.size(1), conv_.weight.size(0), conv_.weight.size(2),
                        conv_.options.dilation};
  const int64_t batch = x.size(0), frames = x.size(2), reach = conv_.options.padding;
  // As many whole blocks of the activation as keep all threads busy, four at most and as many as
  // the reach needs.
  const int64_t fewest = 2 * reach / kSnakeBlock + 1;
  const int64_t wide = std::max(fewest, std::clamp<int64_t>(frames / (8 * kSnakeBlock), 1, 4));
  const int64_t width = wide * kSnakeBlock - 2 * reach, stride = wide * kSnakeBlock + kConvTile;
  const int64_t blocks = (frames + width - 1) / width;
  at::Tensor out = at::empty({batch, shape.out, frames}, x.options());
  const float* source = x.const_data_ptr<float>();
  const float* added = residual.defined() ? residual.const_data_ptr<float>() : nullptr;
  float* target = out.mutable_data_ptr<float>();
  at::parallel_for(0, batch * blocks, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(static_cast<size_t>(shape.in * stride));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t item = i / blocks, first = i % blocks * width;
      const int64_t count = std::min(width, frames - first);
      for (int64_t c = 0; c < shape.in; ++c) {
        snake_range(source + (item * shape.in + c) * frames, frames, first - reach,
                    count + 2 * reach, activation_.rows()[static_cast<size_t>(c)],
                    buffer.data() + c * stride);
      }
      const int64_t at = item * shape.out * frames + first;
      const ConvRows rows{buffer.data(), stride, added != nullptr ? added + at : nullptr,
                          target + at, frames};
      conv_block(shape, packed_.data(), bias_.data(), rows, count);
    }
  });
  return out;
}

}  // namespace indextts2
