// Times of work on the device, replayed as a CUDA graph.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cuda/cuda_check.h"

namespace indextts2 {

struct DeviceTime {
  double median = 0, least = 0, most = 0;  // ms
};

// Captures what `enqueue` enqueues on the stream given to it and replays it: 2 rounds to warm up,
// then `rounds` rounds of `replays`. The time of one replay.
inline DeviceTime time_graph(const std::function<void(cudaStream_t)>& enqueue, int rounds = 7,
                             int replays = 20) {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  cuda_check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  enqueue(stream);  // loads the kernels
  cuda_check(cudaStreamSynchronize(stream), "running");
  cuda_check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing");
  enqueue(stream);
  cuda_check(cudaStreamEndCapture(stream, &graph), "capturing");
  cuda_check(cudaGraphInstantiate(&executable, graph, 0), "making a graph");
  cuda_check(cudaEventCreate(&begin), "making an event");
  cuda_check(cudaEventCreate(&end), "making an event");
  std::vector<double> times;
  for (int round = -2; round < rounds; ++round) {
    cuda_check(cudaEventRecord(begin, stream), "timing");
    for (int i = 0; i < replays; ++i) cuda_check(cudaGraphLaunch(executable, stream), "replaying");
    cuda_check(cudaEventRecord(end, stream), "timing");
    cuda_check(cudaEventSynchronize(end), "replaying");
    float ms = 0;
    cuda_check(cudaEventElapsedTime(&ms, begin, end), "timing");
    if (round >= 0) times.push_back(ms / replays);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), times.back()};
}

// Bytes read and written a second, in GB/s, by the copy of a large array.
inline double copy_bandwidth() {
  constexpr size_t kBytes = size_t{1} << 30;
  void *from = nullptr, *to = nullptr;
  cuda_check(cudaMalloc(&from, kBytes), "allocating");
  cuda_check(cudaMalloc(&to, kBytes), "allocating");
  cuda_check(cudaMemset(from, 1, kBytes), "filling");
  const DeviceTime time = time_graph(
      [&](cudaStream_t stream) {
        cuda_check(cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice, stream), "copying");
      },
      7, 5);
  cudaFree(from);
  cudaFree(to);
  return 2.0 * kBytes / (time.median * 1e6);
}

}  // namespace indextts2
