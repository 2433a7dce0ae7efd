// Turns of decoding and flows on one device.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>

#include "cuda/cuda_handles.h"

namespace indextts2 {

// A step of decoding is many short kernels; beside a flow each of them waits for processors that
// the flow's long blocks hold, and both lose. So steps of the two take turns on the device: each
// starts after the steps of the other kind that were enqueued before it. Nothing waits on the host,
// and waits go back in time only, so that no two streams can wait for each other. Thread-safety:
// safe.
class DeviceTurns {
 public:
  enum class Kind { kDecode = 0, kFlow = 1 };

  // On the current device.
  DeviceTurns() : last_{make_event(), make_event()} {}

  // Runs `enqueue`, which enqueues a step of `kind` on `stream`.
  template <class Enqueue>
  void take(Kind kind, cudaStream_t stream, const Enqueue& enqueue) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto own = static_cast<size_t>(kind);
    cuda_check(cudaStreamWaitEvent(stream, last_[1 - own].get(), 0), "taking turns on a device");
    enqueue();
    cuda_check(cudaEventRecord(last_[own].get(), stream), "taking turns on a device");
  }

 private:
  std::mutex mutex_;   // guards last_, and that what is enqueued under it is in its order
  CudaEvent last_[2];  // end of the last step of each kind
};

}  // namespace indextts2
