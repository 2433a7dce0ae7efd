// CUDA graphs of flow steps.
#include "cuda/flow_graphs.h"

#include <algorithm>
#include <utility>

#include "cuda/cuda_check.h"

namespace indextts2 {

FlowGraphs::FlowGraphs() {
  cuda_check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
}

FlowGraphs::~FlowGraphs() {
  clear();
  cudaStreamDestroy(stream_);
}

// A graph that still runs may be destroyed: the driver keeps it until it is done.
void FlowGraphs::clear() { graphs_.clear(); }

bool FlowGraphs::has(const Key& key) const {
  return std::any_of(graphs_.begin(), graphs_.end(),
                     [&](const auto& entry) { return entry.first == key; });
}

FlowGraphs::Graph FlowGraphs::capture(const std::function<void(cudaStream_t)>& launches) const {
  cuda_check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capturing a flow");
  cudaGraph_t graph = nullptr;
  try {
    launches(stream_);
  } catch (...) {
    cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  cuda_check(cudaStreamEndCapture(stream_, &graph), "capturing a flow");
  cudaGraphExec_t ready = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&ready, graph, 0);
  cudaGraphDestroy(graph);
  cuda_check(status, "preparing a flow's graph");
  return Graph(ready);
}

void FlowGraphs::run(const Key& key, const std::function<void(cudaStream_t)>& launches,
                     cudaStream_t on) {
  const auto found = std::find_if(graphs_.begin(), graphs_.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  if (found != graphs_.end()) {
    graphs_.splice(graphs_.begin(), graphs_, found);
  } else {
    Graph graph = capture(launches);
    if (graphs_.size() >= kMostGraphs) graphs_.pop_back();
    graphs_.emplace_front(key, std::move(graph));
  }
  cuda_check(cudaGraphLaunch(graphs_.front().second.get(), on), "a step of a flow");
}

}  // namespace indextts2
