// Decoding of speech codes on a CUDA device: official sizes, random weights, the stop code
// suppressed.
//
// usage: bench_decode [--fp32|--bf16] [--codes N] [--repeat N] [--segments N] [--profile]
//          [--blocks N] [--free-splits]
// --blocks: DecodeStepOptions::attention_blocks
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "decode_parts.h"
#include "process_time.h"
#include "unit/cuda/cuda_torch.h"

namespace indextts2 {
namespace {

constexpr int kWarmUps = 2;

struct Arguments {
  // That of the engine's GPT where its precision is bf16, too.
  at::ScalarType type = at::kHalf;
  int codes = 500, repeat = 5, segments = 0;  // 0: 1, 2, 4, ... 32
  bool profile = false;
  DecodeStepOptions step;
};

struct Figures {
  std::vector<double> values;
  void print(const char* what, const char* unit) {
    std::sort(values.begin(), values.end());
    std::printf("  %-34s %8.4f [%.4f-%.4f] %s\n", what, values[values.size() / 2], values.front(),
                values.back(), unit);
  }
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Bench {
  const Arguments& arguments;
  const EndlessGpt& gpt;
  CudaDecodeBatch batch;
  int number = 0;

  void admit(int segments, int codes, Figures* admission) {
    for (int i = 0; i < segments; ++i) {
      const double begin = now();
      batch.admit(gpt.job(++number, codes));
      cuda_check(cudaStreamSynchronize(batch.stream()), "waiting for an admission");
      if (admission != nullptr) admission->values.push_back(1e3 * (now() - begin));
    }
  }

  void run(int segments) {
    Figures step, cores, admission;
    for (int repeat = -kWarmUps; repeat < arguments.repeat; ++repeat) {
      admit(segments, arguments.codes, repeat < 0 ? nullptr : &admission);
      const double begin = now(), used = process_seconds();
      const auto running = [&] {
        for (int slot = 0; slot < segments; ++slot) {
          if (!batch.finished(slot)) return true;
        }
        return false;
      };
      while (running()) batch.step();
      const double seconds = now() - begin;
      size_t codes = 0;
      const double busy = process_seconds() - used;
      for (int slot = 0; slot < segments; ++slot) codes += batch.release(slot).codes.size();
      if (codes != static_cast<size_t>(segments) * arguments.codes) {
        std::printf("  a segment ended early: %zu codes\n", codes);
      }
      if (repeat < 0) continue;
      step.values.push_back(1e3 * seconds / (arguments.codes - 1));
      cores.values.push_back(busy / seconds);
    }
    std::printf("%d segments, prefix %d, %d codes each\n", segments, kBenchPrefix, arguments.codes);
    step.print("step", "ms");
    admission.print("admission of one", "ms");
    cores.print("host", "cores");
  }

  // Each part alone, in the middle of the segments.
  void profile(int segments, const DeviceLimits& limits) {
    admit(segments, arguments.codes, nullptr);
    for (int i = 0; i < arguments.codes / 2; ++i) batch.step();
    const int code = arguments.codes / 2;
    print_ops(
        std::to_string(segments) + " segments: parts of a step at code " + std::to_string(code),
        decode_parts(batch, *gpt.model, kBenchPrefix + code, arguments.repeat), limits);
    for (int slot = 0; slot < segments; ++slot) batch.release(slot);
  }
};

bool parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool number = i + 1 < argc;
    if (word == "--fp32") {
      arguments->type = at::kFloat;
    } else if (word == "--bf16") {
      arguments->type = at::kBFloat16;
    } else if (word == "--profile") {
      arguments->profile = true;
    } else if (word == "--free-splits") {
      arguments->step.networks.free_splits = true;
    } else if (word == "--blocks" && number) {
      arguments->step.attention_blocks = std::atoi(argv[++i]);
    } else if (word == "--codes" && number) {
      arguments->codes = std::atoi(argv[++i]);
    } else if (word == "--repeat" && number) {
      arguments->repeat = std::atoi(argv[++i]);
    } else if (word == "--segments" && number) {
      arguments->segments = std::atoi(argv[++i]);
    } else {
      return false;
    }
  }
  return arguments->codes > 1 && arguments->repeat > 0;
}

int bench(const Arguments& arguments) {
  if (!have_cuda_torch()) return 0;
  const EndlessGpt gpt(arguments.type);
  std::vector<int> counts = {1, 2, 4, 8, 16, 32};
  if (arguments.segments > 0) counts = {arguments.segments};
  const double begin = now();
  CudaDecodeOptions batch;
  batch.step = arguments.step;
  Bench all{arguments, gpt, CudaDecodeBatch(gpt.model, std::max(32, counts.back()), batch)};
  std::printf("batch made in %.3f s\n", now() - begin);
  const DeviceLimits limits{arguments.profile ? copy_bandwidth() : 0, 0};
  for (const int segments : counts) {
    if (arguments.profile) {
      all.profile(segments, limits);
    } else {
      all.run(segments);
    }
  }
  return 0;
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::Arguments arguments;
  if (!indextts2::parse(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: bench_decode [--fp32|--bf16] [--codes N] [--repeat N] [--segments N] "
                 "[--profile] [--blocks N] [--free-splits]\n");
    return 2;
  }
  try {
    return indextts2::bench(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
