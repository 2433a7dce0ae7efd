// A BigVGAN with random weights of sensible size.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "modules/bigvgan.h"
#include "support/memory_checkpoint.h"

namespace indextts2 {

// The official sizes.
inline BigvganConfig official_bigvgan() {
  BigvganConfig config;
  config.num_mels = 80;
  config.upsample_initial_channel = 1536;
  config.upsample_rates = {4, 4, 2, 2, 2, 2};
  config.upsample_kernel_sizes = {8, 8, 4, 4, 4, 4};
  config.resblock_kernel_sizes = {3, 7, 11};
  config.resblock_dilation_sizes = {{1, 3, 5}, {1, 3, 5}, {1, 3, 5}};
  return config;
}

class RandomVocoder {
 public:
  explicit RandomVocoder(BigvganConfig config) : config_(std::move(config)) {
    int64_t channels = config_.upsample_initial_channel;
    conv("conv_pre", channels, config_.num_mels, 7, 1.0);
    size_t block = 0;
    for (size_t i = 0; i < config_.upsample_rates.size(); ++i) {
      const std::string up = "ups." + std::to_string(i) + ".0.";
      const int64_t kernel = config_.upsample_kernel_sizes[i], rate = config_.upsample_rates[i];
      const double fan = static_cast<double>(channels * kernel) / static_cast<double>(rate);
      tensors_[up + "weight"] = at::randn({channels, channels / 2, kernel}).div_(std::sqrt(fan));
      channels /= 2;
      tensors_[up + "bias"] = at::randn({channels}).mul_(0.1);
      for (size_t j = 0; j < config_.resblock_kernel_sizes.size(); ++j) {
        residual_block("resblocks." + std::to_string(block++) + ".", channels, j);
      }
    }
    snake("activation_post.", channels);
    conv("conv_post", 1, channels, 7, 0.3);
    tensors_.erase("conv_post.bias");
  }

  BigVgan on(const at::Device& device, at::ScalarType dtype = at::kFloat) const {
    WeightsOptions options;
    options.device = device;
    options.dtype = dtype;
    return BigVgan(memory_weights(tensors_, options), config_);
  }

 private:
  void conv(const std::string& name, int64_t out, int64_t in, int64_t kernel, double gain) {
    tensors_[name + ".weight"] =
        at::randn({out, in, kernel}).mul_(gain / std::sqrt(static_cast<double>(in * kernel)));
    tensors_[name + ".bias"] = at::randn({out}).mul_(0.1);
  }

  void residual_block(const std::string& name, int64_t channels, size_t index) {
    const size_t pairs = config_.resblock_dilation_sizes[index].size();
    for (size_t i = 0; i < pairs; ++i) {
      const std::string pair = std::to_string(i);
      conv(name + "convs1." + pair, channels, channels, config_.resblock_kernel_sizes[index], 0.7);
      conv(name + "convs2." + pair, channels, channels, config_.resblock_kernel_sizes[index], 0.7);
    }
    for (size_t i = 0; i < 2 * pairs; ++i) {
      snake(name + "activations." + std::to_string(i) + ".", channels);
    }
  }

  void snake(const std::string& name, int64_t channels) {
    tensors_[name + "act.alpha"] = at::randn({channels}).mul_(0.5);
    tensors_[name + "act.beta"] = at::randn({channels}).mul_(0.5);
    tensors_[name + "upsample.filter"] = low_pass();
    tensors_[name + "downsample.lowpass.filter"] = low_pass();
  }

  // A windowed sinc of 12 taps that lets half of the band pass.
  static at::Tensor low_pass() {
    std::vector<float> taps;
    double sum = 0;
    for (int i = 0; i < 12; ++i) {
      const double x = (i - 5.5) / 2, pi = 3.14159265358979;
      taps.push_back(static_cast<float>(std::sin(pi * x) / (pi * x) *
                                        (0.54 + 0.46 * std::cos(2 * pi * (i - 5.5) / 12))));
      sum += taps.back();
    }
    return at::tensor(taps).div_(sum).view({1, 1, 12});
  }

  BigvganConfig config_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace indextts2
