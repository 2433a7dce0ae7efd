// The vocoder on CUDA at official sizes with random weights: time per length, per kind of kernel,
// and its distance from LibTorch in float32.
// usage: bench_vocoder [FRAMES [SIDE_BY_SIDE]] (861 frames are 10 s; stages of at most SIDE_BY_SIDE
// frames run their residual blocks side by side)
#include <ATen/Context.h>
#include <ATen/ops/randn.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/cuda_check.h"
#include "cuda/wave_decoder.h"
#include "support/random_vocoder.h"
#include "unit/cuda/cuda_torch.h"
#include "vocoder_ops.h"

namespace indextts2 {
namespace {

constexpr int kWarmups = 2, kRepeats = 9;

struct Times {
  double median, least, most;
};

Times in_order(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// Milliseconds from the call to the end of its work on the device.
Times measure(const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < kWarmups + kRepeats; ++i) {
    cuda_check(cudaDeviceSynchronize(), "waiting");
    const auto begin = std::chrono::steady_clock::now();
    work();
    cuda_check(cudaDeviceSynchronize(), "waiting");
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
    if (i >= kWarmups) times.push_back(time.count());
  }
  return in_order(times);
}

void print(const std::string& what, const Times& times) {
  std::printf("%-52s %8.3f ms [%.3f - %.3f], n = %d\n", what.c_str(), times.median, times.least,
              times.most, kRepeats);
}

double snr_db(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor exact = want.to(at::kDouble);
  const double error = got.to(at::kDouble).sub(exact).square().sum().item<double>();
  return 10 * std::log10(exact.square().sum().item<double>() / error);
}

using Packed = std::shared_ptr<const PackedVocoder>;

void run_side_by_side(const Packed& packed, const std::string& name, const at::Tensor& mel) {
  std::printf("\n");
  for (const int64_t limit : {int64_t{0}, int64_t{10000}, int64_t{40000}}) {
    WavePlan plan;
    plan.side_by_side = limit;
    CudaWaveDecoder decoder(packed, plan);
    print(name + ", side by side up to " + std::to_string(limit),
          measure([&] { decoder.decode(mel, StopToken()); }));
  }
}

void run_type(const Packed& packed, const std::string& name, const WavePlan& plan,
              const at::Tensor& mel, const at::Tensor& want, const DeviceLimits& limits) {
  CudaWaveDecoder decoder(packed, plan);
  const at::Tensor got = decoder.decode(mel, StopToken());
  std::printf("\n%s: SNR against LibTorch in float32 %.1f dB\n", name.c_str(), snr_db(got, want));
  print(name, measure([&] { decoder.decode(mel, StopToken()); }));
  const int64_t frames = mel.size(2);
  for (const int64_t length : {int64_t{1}, int64_t{50}, int64_t{172}, plan.small_tiles,
                               plan.small_tiles + 1, frames / 2, 2 * frames}) {
    const at::Tensor part = at::randn({1, 80, std::max<int64_t>(length, 1)}).to(at::kCUDA);
    print(name + ", " + std::to_string(length) + " frames",
          measure([&] { decoder.decode(part, StopToken()); }));
  }
  print_ops("launches", vocoder_ops(decoder, mel), limits);
}

void run(int64_t frames, const WavePlan& plan) {
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  at::manual_seed(1);
  cudaDeviceProp device{};
  cuda_check(cudaGetDeviceProperties(&device, 0), "asking for the device");
  std::printf("%s, %d frames, %.2f s\n", device.name, static_cast<int>(frames),
              static_cast<double>(frames) * 256 / 22050);
  const BigVgan network = RandomVocoder(official_bigvgan()).on(at::Device(at::kCUDA, 0));
  const at::Tensor mel = at::randn({1, 80, frames}).to(at::kCUDA);
  const at::Tensor want = network(mel, StopToken()).flatten();
  std::printf("samples: root mean square %.3f, beyond 0.999: %.4f of all\n",
              std::sqrt(want.square().mean().item<double>()),
              want.abs().gt(0.999).to(at::kFloat).mean().item<double>());
  print("LibTorch, float32", measure([&] { network(mel, StopToken()); }));
  for (const WaveType type : {WaveType::kHalf, WaveType::kFloat}) {
    const auto packed = std::make_shared<PackedVocoder>(network, type);
    const std::string name = type == WaveType::kHalf ? "fp16" : "fp32 (3 x TF32)";
    run_side_by_side(packed, name, mel);
    run_type(packed, name, plan, mel, want,
             measure_limits(type == WaveType::kHalf ? FlowType::kFloat16 : FlowType::kFloat32));
  }
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  if (!indextts2::have_cuda_torch()) return 0;
  indextts2::WavePlan plan;
  if (argc > 2) plan.side_by_side = std::atoll(argv[2]);
  indextts2::run(argc > 1 ? std::atoll(argv[1]) : 861, plan);
  return 0;
}
