// What the networks of one decoding step take on the device, attention and sampling left out:
// random weights of the official sizes, by the number of rows, whole and kernel by kernel.
#include <cstdio>
#include <cstring>
#include <exception>

#include "cuda/gpt_step.h"
#include "step_ops.h"
#include "support/random_gpt.h"
#include "unit/cuda/cuda_torch.h"
#include "unit/cuda/device_buffer.h"

namespace indextts2 {
namespace {

const char kUsage[] =
    "usage: bench_gpt_step [--type bf16|fp16|fp32] [--layers N] [--kernels] [--variants] "
    "[--rule-off]\n"
    "  --kernels   each linear layer by itself as well\n"
    "  --variants  norm inside or before the linear layers, prefetching\n"
    "  --rule-off  other cuts of K for each number of rows: what equal bits cost\n";

constexpr int kBeams = 3;
constexpr int kSegments[] = {1, 2, 4, 8, 16, 32};
struct Arguments {
  at::ScalarType type = at::kBFloat16;
  int64_t layers = 24;
  bool kernels = false, variants = false, rule_off = false;
};

bool parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--kernels") {
      arguments->kernels = true;
    } else if (argument == "--variants") {
      arguments->variants = true;
    } else if (argument == "--rule-off") {
      arguments->rule_off = true;
    } else if (argument == "--layers" && std::atoi(value.c_str()) > 0) {
      arguments->layers = std::atoi(argv[++i]);
    } else if (argument == "--type" && (value == "bf16" || value == "fp16" || value == "fp32")) {
      arguments->type = value == "bf16" ? at::kBFloat16 : value == "fp16" ? at::kHalf : at::kFloat;
      ++i;
    } else {
      std::fputs(kUsage, stderr);
      return false;
    }
  }
  return true;
}

class Bench {
 public:
  explicit Bench(const Arguments& arguments)
      : slots_(counted(kMostStepRows / kBeams)),
        beams_(std::vector<int32_t>(kMostStepRows / kBeams, kBeams)),
        steps_(std::vector<int32_t>(kMostStepRows / kBeams, 100)),
        done_(std::vector<int32_t>(kMostStepRows / kBeams, 0)),
        tokens_(counted(kMostStepRows)) {
    RandomGptSizes sizes;
    sizes.layers = arguments.layers;
    WeightsOptions options;
    options.device = at::Device(at::kCUDA, 0);
    options.dtype = arguments.type;
    model_ = random_gpt(sizes, options, arguments.type, /*distinct=*/1);
    check(cudaDeviceSynchronize());
    bandwidth_ = copy_bandwidth();
    cudaDeviceProp device{};
    check(cudaGetDeviceProperties(&device, 0));
    std::printf("%s, %s, %d layers; copy %.0f GB/s\n", device.name, c10::toString(arguments.type),
                static_cast<int>(sizes.layers), bandwidth_);
  }

  DeviceTime step(int segments, GptStepTuning tuning) {
    GptStep step(model_, kMostStepRows, tuning);
    DecodeTables tables{};
    tables.segments = slots_.data();
    tables.beams = beams_.data();
    tables.steps = steps_.data();
    tables.done = done_.data();
    tables.tokens = tokens_.data();
    tables.max_beams = kBeams;
    DeviceBuffer<float> logits(size_t(segments) * kBeams * model_->vocabulary());
    // Numbers for attention's output: the networks would pass on whatever the memory holds.
    const size_t bytes = model_->gpt().width() * element_bytes(step.element_type());
    bool first = true;
    return time_graph([&](cudaStream_t stream) {
      step.enqueue(
          tables, segments, logits.data(),
          [&](int, const void*, void* out, cudaStream_t on) {
            if (first) check(cudaMemsetAsync(out, 0, segments * kBeams * bytes, on));
            first = false;
          },
          stream);
    });
  }

  void print_steps(const char* what, GptStepTuning tuning) {
    const double bytes =
        double(model_->gpt().weight_bytes()) + double(model_->mel_head().weight.nbytes());
    for (const int segments : kSegments) {
      print_step(what, segments, step(segments, tuning), bytes);
    }
  }

  void print_step(const char* what, int segments, const DeviceTime& time, double bytes) const {
    std::printf("%-28s %2d rows  %.4f ms [%.4f-%.4f]  %.0f MB  %5.1f %% of the copy\n", what,
                segments * kBeams, time.median, time.least, time.most, bytes / 1e6,
                100 * bytes / (time.median * 1e6) / bandwidth_);
  }

  void print_kernels() const {
    for (const int segments : kSegments) {
      std::vector<OpTime> ops = step_ops(*model_, segments * kBeams);
      for (OpTime& op : ops) op.operations = 0;  // the matrix units bound nothing here
      print_ops(std::to_string(segments * kBeams) + " rows", ops, DeviceLimits{bandwidth_, 0});
    }
  }

 private:
  static std::vector<int32_t> counted(int count) {
    std::vector<int32_t> values(count);
    for (int i = 0; i < count; ++i) values[i] = i;
    return values;
  }

  std::shared_ptr<const UnifiedVoice> model_;
  DeviceBuffer<int32_t> slots_, beams_, steps_, done_, tokens_;
  double bandwidth_ = 0;
};

void run(const Arguments& arguments) {
  Bench bench(arguments);
  bench.print_steps("step", {});
  if (arguments.variants) {
    bench.print_steps("norm before", {false, true, 0, true});
    bench.print_steps("norm before, it adds", {false, true, 0, false});
    bench.print_steps("without prefetch", {true, false, 0, true});
  }
  if (arguments.rule_off) {
    GptStepTuning tuning;
    tuning.free_splits = true;
    bench.print_steps("fastest parts of K", tuning);
    for (const int splits : {1, 2, 4}) {
      bench.print_steps(("K in " + std::to_string(splits) + " parts").c_str(),
                        {true, true, splits, true});
    }
  }
  if (arguments.kernels) bench.print_kernels();
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  using namespace indextts2;
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) return 2;
  if (!have_cuda_torch()) return 0;
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_gpt_step: %s\n", error.what());
    return 1;
  }
}
