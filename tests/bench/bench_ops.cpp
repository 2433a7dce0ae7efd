// Every kernel of decoding, flow and vocoder at official sizes with random weights: its time, its
// bytes and operations, and how near they are to the copy bandwidth and the matrix peak that are
// measured first. bench_decode, bench_gpt_step, bench_flow and bench_vocoder vary the same kernels.
#include <ATen/Context.h>
#include <ATen/ops/randn.h>

#include <cstdio>
#include <exception>
#include <string>

#include "decode_parts.h"
#include "flow_ops.h"
#include "step_ops.h"
#include "support/random_flow.h"
#include "support/random_vocoder.h"
#include "unit/cuda/cuda_torch.h"
#include "vocoder_ops.h"

namespace indextts2 {
namespace {

constexpr char kUsage[] =
    "usage: bench_ops [--type bf16|fp16|fp32] [--part all|decode|flow|vocoder]\n"
    "  decoding and the vocoder run in fp16 where the type is bf16, as in the engine\n";

constexpr int kBeams = 3, kCodes = 500, kRounds = 7;
constexpr int64_t kFrames = 861;  // 10 s

struct Arguments {
  std::string type = "bf16", part = "all";
  at::ScalarType scalar() const {
    return type == "bf16" ? at::kBFloat16 : type == "fp16" ? at::kHalf : at::kFloat;
  }
  bool wants(const char* one) const { return part == "all" || part == one; }
};

bool parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string word = argv[i], value = argv[i + 1];
    if (word == "--type" && (value == "bf16" || value == "fp16" || value == "fp32")) {
      arguments->type = value;
    } else if (word == "--part") {
      arguments->part = value;
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

void decode(at::ScalarType type, const DeviceLimits& limits) {
  const EndlessGpt gpt(type);
  for (const int segments : {1, 16, 32}) {
    const int rows = segments * kBeams;
    print_ops("decoding, linear layers and norms, " + std::to_string(rows) + " rows",
              step_ops(*gpt.model, rows), limits);
    CudaDecodeBatch batch(gpt.model, segments);
    for (int i = 0; i < segments; ++i) batch.admit(gpt.job(i + 1, kCodes));
    for (int i = 0; i < kCodes / 2; ++i) batch.step();
    print_ops("decoding, parts of a step, " + std::to_string(segments) + " segments at code " +
                  std::to_string(kCodes / 2),
              decode_parts(batch, *gpt.model, kBenchPrefix + kCodes / 2, kRounds), limits);
    for (int i = 0; i < segments; ++i) batch.release(i);
  }
}

void flow(at::ScalarType type, const DeviceLimits& limits) {
  const FlowSizes sizes;
  const FlowNetwork network(
      random_flow(random_flow_weights(sizes), sizes, at::Device(at::kCUDA, 0), type));
  for (const int32_t prompt : {430, 1292}) {
    for (const int32_t generated : {172, 861}) {
      print_ops("flow, a step of P " + std::to_string(prompt) + " G " + std::to_string(generated),
                flow_ops(network, flow_segment(prompt, generated)), limits);
    }
  }
}

void vocode(WaveType type, const DeviceLimits& limits) {
  const BigVgan network = RandomVocoder(official_bigvgan()).on(at::Device(at::kCUDA, 0));
  CudaWaveDecoder decoder(std::make_shared<PackedVocoder>(network, type));
  for (const int64_t frames : {int64_t{172}, kFrames}) {
    print_ops("vocoder, " + std::to_string(frames) + " frames",
              vocoder_ops(decoder, at::randn({1, 80, frames}).to(at::kCUDA)), limits);
  }
}

void run(const Arguments& arguments) {
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  cudaDeviceProp device{};
  cuda_check(cudaGetDeviceProperties(&device, 0), "asking for the device");
  std::printf("%s, %s\n", device.name, arguments.type.c_str());
  const at::ScalarType type = arguments.scalar();
  const DeviceLimits limits = measure_limits(flow_type_of(type));
  if (arguments.wants("decode")) decode(type == at::kFloat ? type : at::kHalf, limits);
  if (arguments.wants("flow")) flow(type, limits);
  if (arguments.wants("vocoder")) {
    vocode(type == at::kFloat ? WaveType::kFloat : WaveType::kHalf, limits);
  }
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  using namespace indextts2;
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  if (!have_cuda_torch()) return 0;
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_ops: %s\n", error.what());
    return 1;
  }
}
