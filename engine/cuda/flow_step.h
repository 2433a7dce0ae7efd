// One Euler step of packed flows as a sequence of launches.
#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/flow_network.h"
#include "cuda/flow_workspace.h"
#include "cuda/matrix_product.h"

namespace indextts2 {

// What depends on the number of steps alone, on the device.
struct FlowTimes {
  DitTimes tables;    // contiguous
  at::Tensor widths;  // [S] float32
};

// How many rows are computed; equal for layouts that one graph serves.
struct FlowExtent {
  int32_t lanes, rows, head_rows, max_tiles, max_head_tiles;  // tiles of a lane
};

// Launches in order; every launch sees the step's number on the device.
class FlowStep {
 public:
  enum class Mode { kPrepare, kRun };  // kPrepare: chooses the products' algorithms, runs nothing
  FlowStep(const FlowNetwork& network, FlowWorkspace& workspace, MatrixProducts& products,
           const FlowTimes& times, const FlowExtent& extent, Mode mode, cudaStream_t on)
      : network_(network),
        workspace_(workspace),
        products_(products),
        times_(times),
        extent_(extent),
        mode_(mode),
        on_(on) {}

  // Feeds the state to the network's inputs, before the first step.
  void feed();
  // A lane's network but the last product. Lanes may run at once.
  // Throws Error{kDeviceLost, kNoMemory}.
  void run_lane(int32_t lane);
  // The rest of the step, after all lanes.
  void finish();

 private:
  void layer(size_t index, FlowRows x, FlowRows out);
  void last_layer(FlowRows x);
  void feed_forward(const FlowNetwork::Layer& layer, StepTable norm, FlowRows out, int32_t rows);
  void wavenet();
  void attend(bool of_head);
  FlowRows trunk(const at::Tensor& matrix, int64_t first = 0) const;
  FlowRows head(const at::Tensor& matrix, int64_t first = 0) const;
  StepTable norm_table(size_t index) const;
  FlowState state() const;
  void multiply(const FlowMatrix& matrix, FlowRows x, FlowRows y, int32_t rows,
                FlowRows add = {nullptr, 0}, bool float_y = false);
  template <typename Launch>
  void launch(const char* what, Launch launch);

  const FlowNetwork& network_;
  FlowWorkspace& workspace_;
  MatrixProducts& products_;
  const FlowTimes& times_;
  const FlowExtent extent_;
  const int32_t rows_ = extent_.rows / extent_.lanes,
                head_rows_ = extent_.head_rows / extent_.lanes;
  int32_t lane_ = 0;
  const Mode mode_;
  const cudaStream_t on_;
};

}  // namespace indextts2
