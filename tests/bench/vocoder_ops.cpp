// The launches of the vocoder, by kind and channels.
#include "vocoder_ops.h"

#include <algorithm>
#include <map>
#include <utility>

#include "cuda/cuda_handles.h"

namespace indextts2 {
namespace {

constexpr int kWarmups = 2, kRuns = 5;

struct Kind {
  int count = 0;
  double bytes = 0, operations = 0;
  std::vector<double> ms = std::vector<double>(kRuns);  // of all its launches
};

std::string name_of(const WaveLaunch& launch) {
  return std::string(launch.kind) + " " + std::to_string(launch.channels);
}

}  // namespace

std::vector<OpTime> vocoder_ops(CudaWaveDecoder& decoder, const at::Tensor& mel) {
  std::map<std::string, Kind> kinds;
  for (int run = -kWarmups; run < kRuns; ++run) {
    std::vector<std::pair<WaveLaunch, CudaEvent>> launches;
    const auto mark = [&](const WaveLaunch& launch) {
      cudaEvent_t event = nullptr;
      cuda_check(cudaEventCreate(&event), "making an event");
      launches.emplace_back(launch, CudaEvent(event));
      cuda_check(cudaEventRecord(event, nullptr), "timing the vocoder");
    };
    mark({"start", 0, 0, 0});
    decoder.set_trace(mark);
    decoder.decode(mel, StopToken());
    decoder.set_trace({});
    cuda_check(cudaDeviceSynchronize(), "timing the vocoder");
    if (run < 0) continue;
    for (auto& [name, kind] : kinds) kind.count = 0;
    for (size_t i = 1; i < launches.size(); ++i) {
      const WaveLaunch& launch = launches[i].first;
      float ms = 0;
      cuda_check(cudaEventElapsedTime(&ms, launches[i - 1].second.get(), launches[i].second.get()),
                 "timing the vocoder");
      Kind& kind = kinds[name_of(launch)];
      kind.count += 1;
      kind.ms[static_cast<size_t>(run)] += ms;
      if (run > 0) continue;
      kind.bytes += launch.bytes;
      kind.operations += launch.operations;
    }
  }
  std::vector<OpTime> ops;
  for (auto& [name, kind] : kinds) {
    std::sort(kind.ms.begin(), kind.ms.end());
    const double count = kind.count;
    const bool matrix = name.rfind("snake", 0) != 0 && name.rfind("out", 0) != 0;
    ops.push_back(
        {name, kind.count,
         DeviceTime{kind.ms[kRuns / 2] / count, kind.ms.front() / count, kind.ms.back() / count},
         kind.bytes / count, matrix ? kind.operations / count : 0});
  }
  return ops;
}

}  // namespace indextts2
