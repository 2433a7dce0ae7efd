// CUDA graphs of LibTorch's work on one stream.
#include "cuda/pooled_graphs.h"

#include <c10/cuda/CUDACachingAllocator.h>

#include <atomic>
#include <thread>

namespace indextts2 {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

// Names of pools are never used again: LibTorch may keep what a dropped one held for a while.
uint64_t new_pool() {
  static std::atomic<uint64_t> made{0};
  return ++made;
}

// Different from those that LibTorch gives out, one half of which is 0.
c10::MempoolId_t pool_id(uint64_t pool) { return {0x1d77, pool}; }

}  // namespace

PooledGraphs::PooledGraphs(const c10::cuda::CUDAStream& stream)
    : stream_(stream), pool_(new_pool()), launched_(make_event()) {}

PooledGraphs::~PooledGraphs() {
  cudaEventSynchronize(launched_.get());
  graphs_.clear();
  for (int i = 0; i < captures_; ++i) {
    allocator::releasePool(stream_.device_index(), pool_id(pool_));
  }
}

void PooledGraphs::capture(int64_t key, const std::function<void()>& work) {
  const cudaStream_t on = stream_.stream();
  cuda_check(cudaStreamSynchronize(on), "before a capture");
  const auto thread = std::this_thread::get_id();
  allocator::beginAllocateToPool(stream_.device_index(), pool_id(pool_),
                                 [on, thread](cudaStream_t stream) {
                                   return stream == on && std::this_thread::get_id() == thread;
                                 });
  ++captures_;
  cudaGraph_t captured = nullptr;
  const auto finish = [&] {
    const cudaError_t status = cudaStreamEndCapture(on, &captured);
    allocator::endAllocateToPool(stream_.device_index(), pool_id(pool_));
    return status;
  };
  try {
    // Thread-local: other threads of the process may allocate meanwhile.
    cuda_check(cudaStreamBeginCapture(on, cudaStreamCaptureModeThreadLocal), "beginning a capture");
    work();
  } catch (...) {
    finish();
    if (captured != nullptr) cudaGraphDestroy(captured);
    throw;
  }
  cuda_check(finish(), "ending a capture");
  const CudaGraph graph(captured);
  cudaGraphExec_t ready = nullptr;
  cuda_check(cudaGraphInstantiate(&ready, graph.get(), 0), "making a graph");
  graphs_[key].reset(ready);
  cuda_check(cudaGraphUpload(ready, on), "uploading a graph");
}

void PooledGraphs::launch(int64_t key) {
  cuda_check(cudaGraphLaunch(graphs_.at(key).get(), stream_.stream()), "starting a graph");
  cuda_check(cudaEventRecord(launched_.get(), stream_.stream()), "starting a graph");
}

}  // namespace indextts2
