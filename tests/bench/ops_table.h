// What single kernels cost, beside what the device can do in the same run.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <string>
#include <vector>

#include "cuda/kernels/flow_tables.h"
#include "device_timer.h"

namespace indextts2 {

struct OpTime {
  std::string name;
  int count = 1;          // launches of it in a step, or in all
  DeviceTime time;        // of one launch
  double bytes = 0;       // operands read and results written, each once; 0: not told
  double operations = 0;  // multiplications and additions of the matrix units; 0: none
};

struct DeviceLimits {
  double copy_gb_s = 0;  // bytes read and written by the copy of 1 GiB
  // By the product of two matrices of 8192 x 8192; of float32 a third of that of halves, as the sum
  // of three such products is as exact.
  double matrix_tflop_s = 0;
};

// Needs LibTorch's CUDA part. Throws Error.
DeviceLimits measure_limits(FlowType type);

// Of one of 20 launches in a graph. `launch` enqueues it on the stream given.
DeviceTime time_launch(const std::function<void(cudaStream_t)>& launch);

// One line each, under `title`, and their sum.
void print_ops(const std::string& title, const std::vector<OpTime>& ops,
               const DeviceLimits& limits);

}  // namespace indextts2
