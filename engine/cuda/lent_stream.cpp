// The streams that are lent and those that came back.
#include "cuda/lent_stream.h"

#include <c10/cuda/CUDAGuard.h>

#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cuda/cuda_check.h"

namespace indextts2 {
namespace {

using c10::cuda::CUDAStream;

constexpr int kPoolStreams = 32;  // of LibTorch, for each device and priority

struct Streams {
  std::mutex mutex;  // guards all below
  std::map<std::pair<c10::DeviceIndex, bool>, std::vector<CUDAStream>> spare;
  std::set<std::pair<c10::DeviceIndex, c10::StreamId>> known;  // lent or spare
};

Streams& streams() {
  static auto* const all = new Streams;  // leaked: workers may outlive statics
  return *all;
}

// One beyond LibTorch's pool. It is never destroyed: it will be lent again.
CUDAStream make_stream(c10::DeviceIndex device, int priority) {
  const c10::cuda::CUDAGuard guard(device);
  cudaStream_t made = nullptr;
  cuda_check(cudaStreamCreateWithPriority(&made, cudaStreamNonBlocking, priority),
             "creating a stream");
  return c10::cuda::getStreamFromExternal(made, device);
}

}  // namespace

CUDAStream lend_stream(c10::DeviceIndex device, bool priority_high) {
  std::lock_guard<std::mutex> lock(streams().mutex);
  std::vector<CUDAStream>& spare = streams().spare[{device, priority_high}];
  if (!spare.empty()) {
    const CUDAStream last = spare.back();
    spare.pop_back();
    return last;
  }
  for (int i = 0; i < kPoolStreams; ++i) {
    const CUDAStream drawn = c10::cuda::getStreamFromPool(priority_high, device);
    if (streams().known.insert({device, drawn.id()}).second) return drawn;
  }
  const int priority = c10::cuda::getStreamFromPool(priority_high, device).priority();
  const CUDAStream made = make_stream(device, priority);
  streams().known.insert({device, made.id()});
  return made;
}

void give_back_stream(const CUDAStream& stream, bool priority_high) noexcept {
  std::lock_guard<std::mutex> lock(streams().mutex);
  streams().spare[{stream.device_index(), priority_high}].push_back(stream);
}

}  // namespace indextts2
