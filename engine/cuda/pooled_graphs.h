// CUDA graphs of LibTorch's work on one stream.
#pragma once

#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <functional>
#include <map>

#include "cuda/cuda_handles.h"

namespace indextts2 {

// What the graphs use in between is allocated from one pool of LibTorch's allocator and is the same
// memory for all, so no two may run at once. Thread-safety: one thread, one stream.
class PooledGraphs {
 public:
  explicit PooledGraphs(const c10::cuda::CUDAStream& stream);
  ~PooledGraphs();  // waits for what was launched, on whatever thread; the stream may have a new
                    // owner
  PooledGraphs(const PooledGraphs&) = delete;
  PooledGraphs& operator=(const PooledGraphs&) = delete;

  // Captures what `work` enqueues on the stream, which must be the current one and not the default
  // one. All its kernels must have run before. Throws Error{kDeviceLost, kNoMemory}, and what
  // `work` does.
  void capture(int64_t key, const std::function<void()>& work);
  bool has(int64_t key) const { return graphs_.count(key) > 0; }
  void launch(int64_t key);  // needs has()

 private:
  const c10::cuda::CUDAStream stream_;
  const uint64_t pool_;
  const CudaEvent launched_;  // the last one
  int captures_ = 0;          // that hold on to the pool
  std::map<int64_t, CudaGraphExec> graphs_;
};

}  // namespace indextts2
