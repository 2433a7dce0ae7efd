// BigVGAN's weights as the kernels of the vocoder take them.
#include "cuda/packed_vocoder.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#include "cuda/cuda_check.h"
#include "cuda/kernels/device_code.h"

namespace indextts2 {
namespace {

constexpr int64_t kMaxOutWeights = 8192;  // of run_wave_out

// Zeros behind the last element of dimension `dim`.
at::Tensor pad_to(const at::Tensor& x, int64_t dim, int64_t size) {
  std::vector<int64_t> pads(static_cast<size_t>(2 * (x.dim() - dim)), 0);
  pads.back() = size - x.size(dim);
  return at::constant_pad_nd(x, pads);
}

at::Tensor to_storage(const at::Tensor& x, WaveType type) {
  return (type == WaveType::kHalf ? x.clamp(-65504.0, 65504.0).to(at::kHalf) : x).contiguous();
}

// [size] float32, zeros where `bias` ends or is undefined.
at::Tensor pack_bias(const at::Tensor& bias, const at::Tensor& weight, int64_t size) {
  if (!bias.defined()) return at::zeros({size}, weight.options().dtype(at::kFloat));
  return pad_to(bias.to(at::kFloat), 0, size).contiguous();
}

PackedConv pack_conv(const Conv1d& conv, WaveType type) {
  at::Tensor weight = conv.weight.to(at::kFloat).permute({2, 0, 1});
  const int64_t taps = std::max<int64_t>(weight.size(0), 2);  // the kernel's least
  weight = pad_to(weight, 0, taps);
  weight = pad_to(weight, 1, wave_channels(weight.size(1)));
  weight = pad_to(weight, 2, wave_channels(weight.size(2)));
  PackedConv packed;
  packed.weight = to_storage(weight, type);
  packed.bias = pack_bias(conv.bias, conv.weight, packed.out());
  packed.taps = static_cast<int>(taps);
  packed.first = -static_cast<int>(conv.options.padding);
  packed.dilation = static_cast<int>(conv.options.dilation);
  return packed;
}

// Sample m stride + r - padding of a transposed convolution is the sum of x[m - j] w[r + j stride]:
// an ordinary one whose output channels are the phases r, with the taps in reverse.
PackedConv pack_up(const ConvTranspose1d& up, WaveType type) {
  const int64_t stride = up.stride;
  const int64_t taps = std::max<int64_t>((up.weight.size(2) + stride - 1) / stride, 2);
  at::Tensor weight = pad_to(up.weight.to(at::kFloat), 2, taps * stride);
  weight = pad_to(weight, 1, wave_channels(weight.size(1)));
  weight = pad_to(weight, 0, wave_channels(weight.size(0)));
  const int64_t in = weight.size(0), out = weight.size(1);
  weight = weight.view({in, out, taps, stride}).flip(2).permute({2, 3, 1, 0});
  PackedConv packed;
  packed.weight = to_storage(weight.reshape({taps, stride * out, in}), type);
  packed.bias = pack_bias(up.bias, up.weight, out).repeat({stride});
  packed.taps = static_cast<int>(taps);
  packed.first = -static_cast<int>(taps - 1);
  return packed;
}

PackedSnake pack_snake(const AntiAliasedSnake& snake) {
  const int64_t channels = wave_channels(snake.frequency().size(0));
  PackedSnake packed;
  packed.curve = at::stack({pad_to(snake.frequency().to(at::kFloat), 0, channels),
                            pad_to(snake.gain().to(at::kFloat), 0, channels)})
                     .contiguous();
  const at::Tensor up = snake.up_filter().to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor down = snake.down_filter().to(at::kCPU, at::kFloat).contiguous();
  std::copy_n(up.const_data_ptr<float>(), kWaveTaps, packed.up.begin());
  std::copy_n(down.const_data_ptr<float>(), kWaveTaps, packed.down.begin());
  for (float& tap : packed.up) tap *= 2;
  return packed;
}

PackedOut pack_out(const Conv1d& conv) {
  at::Tensor weight = conv.weight.to(at::kFloat).select(0, 0).t();  // [taps, channels]
  PackedOut packed;
  packed.taps = static_cast<int>(weight.size(0));
  packed.weight = pad_to(weight, 1, wave_channels(weight.size(1))).contiguous();
  packed.bias = conv.bias.defined() ? conv.bias.item().toFloat() : 0.0f;
  return packed;
}

PackedStage pack_stage(const BigVgan::Stage& stage, WaveType type) {
  PackedStage packed;
  packed.up = pack_up(stage.up, type);
  packed.rate = stage.up.stride;
  packed.kernel = stage.up.weight.size(2);
  packed.padding = stage.up.padding;
  for (const BigVgan::ResBlock& block : stage.blocks) {
    std::vector<PackedPair> pairs;
    for (size_t i = 0; i < block.dilated.size(); ++i) {
      pairs.push_back(
          {pack_snake(block.dilated[i].activation()), pack_conv(block.dilated[i].conv(), type),
           pack_snake(block.plain[i].activation()), pack_conv(block.plain[i].conv(), type)});
    }
    packed.blocks.push_back(std::move(pairs));
  }
  // Long pieces of work first, so that short ones fill the gaps at the end.
  std::stable_sort(packed.blocks.begin(), packed.blocks.end(), [](const auto& a, const auto& b) {
    return a.front().plain.taps > b.front().plain.taps;
  });
  return packed;
}

// A convolution that keeps the number of frames, with a reach that the kernel holds.
bool supports_conv(const Conv1d& conv) {
  const int64_t reach = (conv.weight.size(2) - 1) * conv.options.dilation;
  return conv.options.stride == 1 && conv.options.groups == 1 && reach <= kTapConvReach &&
         2 * conv.options.padding == reach;
}

bool supports_snake(const AntiAliasedSnake& snake) {
  return snake.up_filter().size(2) == kWaveTaps && snake.down_filter().size(2) == kWaveTaps;
}

bool supports_stage(const BigVgan::Stage& stage) {
  const int64_t kernel = stage.up.weight.size(2);
  if (kernel - stage.up.stride != 2 * stage.up.padding || stage.blocks.empty() ||
      stage.blocks.size() > static_cast<size_t>(kWaveParts)) {
    return false;
  }
  const size_t pairs = stage.blocks.front().dilated.size();
  for (const BigVgan::ResBlock& block : stage.blocks) {
    if (pairs == 0 || block.dilated.size() != pairs || block.plain.size() != pairs) return false;
    for (const auto* convs : {&block.dilated, &block.plain}) {
      for (const SnakeConv& one : *convs) {
        if (!supports_snake(one.activation()) || !supports_conv(one.conv())) return false;
      }
    }
  }
  return true;
}

bool supports_device(const at::Device& device) {
  const auto at_least = [&](cudaDeviceAttr attribute, int least) {
    int value = 0;
    return cudaDeviceGetAttribute(&value, attribute, device.index()) == cudaSuccess &&
           value >= least;
  };
  if (!device.is_cuda()) return false;
  const c10::DeviceGuard guard(device);
  return has_device_code(80) && at_least(cudaDevAttrMaxSharedMemoryPerBlockOptin, kTapConvShared);
}

}  // namespace

at::ScalarType scalar_type(WaveType type) {
  return type == WaveType::kHalf ? at::kHalf : at::kFloat;
}

bool PackedVocoder::supports(const BigVgan& network) {
  const Conv1d& post = network.conv_post();
  return supports_device(network.conv_pre().weight.device()) && supports_conv(network.conv_pre()) &&
         supports_conv(post) && post.options.dilation == 1 && post.weight.size(0) == 1 &&
         post.weight.size(2) * wave_channels(post.weight.size(1)) <= kMaxOutWeights &&
         supports_snake(network.activation_post()) &&
         std::all_of(network.stages().begin(), network.stages().end(), supports_stage);
}

WaveType PackedVocoder::natural_type(const BigVgan& network) {
  return network.conv_pre().weight.scalar_type() == at::kFloat ? WaveType::kFloat : WaveType::kHalf;
}

PackedVocoder::PackedVocoder(const BigVgan& network, WaveType type)
    : type_(type),
      mel_bands_(network.mel_bands()),
      hop_(network.hop()),
      pre_(pack_conv(network.conv_pre(), type)) {
  const c10::DeviceGuard guard(device());
  if (device().is_cuda()) cuda_check(prepare_tap_conv(), "preparing the vocoder's kernels");
  for (const BigVgan::Stage& stage : network.stages()) stages_.push_back(pack_stage(stage, type));
  activation_post_ = pack_snake(network.activation_post());
  post_ = pack_out(network.conv_post());
}

}  // namespace indextts2
