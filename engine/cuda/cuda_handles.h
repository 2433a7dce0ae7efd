// Owners of what the CUDA runtime hands out.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <type_traits>

#include "cuda/cuda_check.h"

namespace indextts2 {

struct EventCloser {
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};
using CudaEvent = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, EventCloser>;

// Without time; a thread that waits for it sleeps.
inline CudaEvent make_event() {
  cudaEvent_t event = nullptr;
  cuda_check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync | cudaEventDisableTiming),
             "making an event");
  return CudaEvent(event);
}

// With time.
inline CudaEvent make_timing_event() {
  cudaEvent_t event = nullptr;
  cuda_check(cudaEventCreate(&event), "making an event");
  return CudaEvent(event);
}

// What `waiting` is given from here on starts after what `for_this` has been given so far.
inline void make_wait(cudaStream_t waiting, const CudaEvent& event, cudaStream_t for_this) {
  cuda_check(cudaEventRecord(event.get(), for_this), "marking the end of a stream's work");
  cuda_check(cudaStreamWaitEvent(waiting, event.get(), 0), "ordering two streams");
}

struct GraphCloser {
  void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
using CudaGraph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphCloser>;
using CudaGraphExec = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphCloser>;

// Host memory that the device copies to and from without waiting.
template <class T>
class PinnedArray {
 public:
  PinnedArray() = default;
  explicit PinnedArray(size_t count) : count_(count) {
    void* data = nullptr;
    cuda_check(cudaMallocHost(&data, count * sizeof(T)), "pinning host memory");
    data_.reset(static_cast<T*>(data));
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return count_; }

 private:
  struct Closer {
    void operator()(T* data) const { cudaFreeHost(data); }
  };
  std::unique_ptr<T, Closer> data_;
  size_t count_ = 0;
};

}  // namespace indextts2
