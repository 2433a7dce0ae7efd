// CUDA graphs of flow steps, one for each extent and number of steps, the least used dropped first.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

namespace indextts2 {

// Thread-safety: one thread, with the device current.
class FlowGraphs {
 public:
  using Key = std::array<int64_t, 6>;
  static constexpr size_t kMostGraphs = 64;

  FlowGraphs();
  ~FlowGraphs();
  FlowGraphs(const FlowGraphs&) = delete;
  FlowGraphs& operator=(const FlowGraphs&) = delete;

  bool has(const Key& key) const;
  // Launches the graph of `key` on `on`; if there is none yet, it is captured: `launches` is called
  // with the stream to launch on, and must neither allocate nor wait. Throws Error{kDeviceLost,
  // kNoMemory}.
  void run(const Key& key, const std::function<void(cudaStream_t)>& launches, cudaStream_t on);
  void clear();

 private:
  struct DestroyGraph {
    void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
  };
  using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, DestroyGraph>;
  Graph capture(const std::function<void(cudaStream_t)>& launches) const;

  cudaStream_t stream_ = nullptr;            // to capture on
  std::list<std::pair<Key, Graph>> graphs_;  // the last used first
};

}  // namespace indextts2
