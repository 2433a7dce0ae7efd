// Beam attention of a decode step at the official sizes: time a layer, and its bytes against those
// of a copy in the same run. Kernels alone: no model, no LibTorch.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "cuda/kernels/beam_reorder.h"
#include "cuda/kernels/paged_attention.h"
#include "decode_scene.h"

namespace indextts2 {
namespace {

constexpr char kUsage[] =
    "usage: bench_attention [--type bf16|fp16|fp32] [--beams N] [--blocks N]\n"
    "Times 24 layers of 20 heads for 1 to 32 segments of 200 and 700 positions, prefix 150.\n"
    "  --blocks N  of threads that run at once, instead of the device's number\n";

constexpr int kLayers = 24, kHeads = 20, kPrefix = 150, kMostSegments = 32, kMaxPages = 7;
constexpr int kWarmups = 2, kRuns = 7;
constexpr int kSmallLaunches = 20;  // of the kernels that run once a step, in one graph
constexpr size_t kFlushBytes = size_t{256} << 20;

struct Arguments {
  std::string type = "bf16";
  int beams = 3, blocks = 0;
};

struct Spread {
  double median, least, most;
};

// Work of one stream in a graph, timed by events. `before` runs ahead of each run, untimed, after
// the caches have been flushed.
class Stopwatch {
 public:
  Stopwatch() : flush_(kFlushBytes) {
    check(cudaStreamCreate(&stream_));
    check(cudaEventCreate(&from_));
    check(cudaEventCreate(&to_));
  }
  ~Stopwatch() {
    cudaEventDestroy(from_);
    cudaEventDestroy(to_);
    cudaStreamDestroy(stream_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Microseconds.
  Spread time(const std::function<void(cudaStream_t)>& work, const std::function<void()>& before) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    before();
    work(stream_);  // loads the kernels, which a capture must not do
    check(cudaStreamSynchronize(stream_));
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    work(stream_);
    check(cudaStreamEndCapture(stream_, &graph));
    check(cudaGraphInstantiate(&ready, graph, 0));
    std::vector<double> times;
    for (int i = 0; i < kWarmups + kRuns; ++i) {
      before();
      check(cudaMemsetAsync(flush_.data(), i, kFlushBytes, stream_));
      check(cudaEventRecord(from_, stream_));
      check(cudaGraphLaunch(ready, stream_));
      check(cudaEventRecord(to_, stream_));
      check(cudaStreamSynchronize(stream_));
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, from_, to_));
      if (i >= kWarmups) times.push_back(1000.0 * milliseconds);
    }
    check(cudaGraphExecDestroy(ready));
    check(cudaGraphDestroy(graph));
    std::sort(times.begin(), times.end());
    return {times[times.size() / 2], times.front(), times.back()};
  }

 private:
  DeviceBuffer<uint8_t> flush_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t from_ = nullptr, to_ = nullptr;
};

template <class T>
class Bench {
 public:
  explicit Bench(const Arguments& arguments)
      : size_{kMostSegments, arguments.beams, kHeads, kLayers, kMaxPages},
        scene_(size_, kMostSegments),
        qkv_(kMostSegments * size_.beams * 3 * size_.width()),
        out_(kMostSegments * size_.beams * size_.width()),
        parents_(kMostSegments * size_.beams) {
    check(prepare_paged_attention(Element<T>::kType, size_.beams, &blocks_));
    if (arguments.blocks > 0) blocks_ = arguments.blocks;
    // Small numbers in each of the formats.
    check(cudaMemset(scene_.pool.data(), 0x2C, scene_.pool.size() * sizeof(T)));
    check(cudaMemset(qkv_.data(), 0x2C, qkv_.size() * sizeof(T)));
    std::vector<int32_t> parents(parents_.size());
    for (size_t i = 0; i < parents.size(); ++i) parents[i] = static_cast<int32_t>(i % size_.beams);
    copy_to(&parents_, parents);
  }

  void run() {
    const double copy_bytes = static_cast<double>(size_t{1} << 30);
    const Spread copy = watch_.time(
        [&](cudaStream_t on) {
          char* pool = reinterpret_cast<char*>(scene_.pool.data());
          check(cudaMemcpyAsync(pool + (size_t{1} << 30), pool, size_t{1} << 30,
                                cudaMemcpyDeviceToDevice, on));
        },
        [] {});
    copy_rate_ = 2 * copy_bytes / copy.median / 1000;
    std::printf("copy of 1 GiB: %.0f us [%.0f-%.0f], %.0f GB/s read and written; %d blocks\n",
                copy.median, copy.least, copy.most, copy_rate_, blocks_);
    std::printf(
        "segments positions pasts owners | us a layer           | GB/s (%% of copy) | list, us"
        "            | reorder, us\n");
    for (Pasts pasts : {Pasts::kDrawn, Pasts::kApart}) {
      for (int positions : {200, 700}) {
        for (int segments : {1, 2, 4, 8, 16, 32}) run_case(segments, positions, pasts);
      }
    }
  }

 private:
  void run_case(int segments, int positions, Pasts pasts) {
    std::mt19937 random(1);
    HostTables host(size_);
    size_t entries = 0;
    for (int i = 0; i < segments; ++i) {
      host.segments.push_back(i);
      host.admit(i, size_.beams, kPrefix);
      host.grow(i, positions, pasts, &random);
      entries += host.entries(i).size();
    }
    const auto upload = [&] { scene_.upload(host); };
    upload();
    const DecodeTables tables = scene_.tables();
    const Spread list = watch_.time(
        [&](cudaStream_t on) {
          for (int i = 0; i < kSmallLaunches; ++i) {
            check(list_attention_work(tables, scene_.work(), segments, false, on));
          }
        },
        upload);
    const Spread layers = watch_.time([&](cudaStream_t on) { attend(segments, on); }, upload);
    const Spread reorder = watch_.time(
        [&](cudaStream_t on) {
          for (int i = 0; i < kSmallLaunches; ++i) {
            check(reorder_beams(tables, parents_.data(), segments, false, on));
          }
        },
        upload);
    const double bytes = static_cast<double>(entries) * 2 * size_.width() * sizeof(T);
    const double rate = bytes / (layers.median / kLayers) / 1000;
    std::printf("%8d %9d %5s %6.2f | %7.2f [%.2f-%.2f] | %6.0f (%.0f) | ", segments, positions,
                pasts == Pasts::kDrawn ? "drawn" : "apart",
                static_cast<double>(entries) / segments / (positions + 1), layers.median / kLayers,
                layers.least / kLayers, layers.most / kLayers, rate, 100 * rate / copy_rate_);
    std::printf("%5.2f [%.2f-%.2f] | %5.2f [%.2f-%.2f]\n", list.median / kSmallLaunches,
                list.least / kSmallLaunches, list.most / kSmallLaunches,
                reorder.median / kSmallLaunches, reorder.least / kSmallLaunches,
                reorder.most / kSmallLaunches);
  }

  void attend(int segments, cudaStream_t on) {
    PagedAttention a{};
    a.tables = scene_.tables();
    a.work = scene_.work();
    a.qkv = qkv_.data();
    a.out = out_.data();
    a.segments = segments;
    a.heads = kHeads;
    a.type = Element<T>::kType;
    a.blocks = blocks_;
    for (int layer = 0; layer < kLayers; ++layer) {
      a.layer = layer;
      a.overlap = layer > 0;
      check(paged_attention(a, on));
    }
  }

  const SceneSize size_;
  Stopwatch watch_;
  DeviceScene<T> scene_;
  DeviceBuffer<T> qkv_, out_;
  DeviceBuffer<int32_t> parents_;
  int32_t blocks_ = 0;
  double copy_rate_ = 1;
};

bool parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--type") == 0) {
      arguments->type = argv[i + 1];
    } else if (std::strcmp(argv[i], "--beams") == 0) {
      arguments->beams = std::atoi(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--blocks") == 0) {
      arguments->blocks = std::atoi(argv[i + 1]);
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && arguments->beams >= 1 && arguments->beams <= kMaxBeams &&
         arguments->blocks >= 0;
}

int run(const Arguments& arguments) {
  if (arguments.type == "bf16") {
    Bench<__nv_bfloat16>(arguments).run();
  } else if (arguments.type == "fp16") {
    Bench<__half>(arguments).run();
  } else if (arguments.type == "fp32") {
    Bench<float>(arguments).run();
  } else {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::Arguments arguments;
  if (!indextts2::parse(argc, argv, &arguments)) {
    std::fputs(indextts2::kUsage, stderr);
    return 2;
  }
  if (!indextts2::have_device()) return 0;
  try {
    return indextts2::run(arguments);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench_attention: %s\n", failure.what());
    return 1;
  }
}
