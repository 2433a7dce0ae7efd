// One Euler step of packed flows as a sequence of launches.
#include "cuda/flow_step.h"

#include "cuda/cuda_check.h"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_rows.h"

namespace indextts2 {
namespace {

// The columns from `first` on of a matrix from a row on.
FlowRows columns(const at::Tensor& matrix, int64_t row, int64_t first) {
  const int64_t stride = matrix.size(1);
  return {static_cast<char*>(matrix.data_ptr()) + (row * stride + first) * matrix.element_size(),
          stride};
}

// The memory of such a matrix as rows of `width` without gaps.
FlowRows dense(FlowRows matrix, int64_t width) { return {matrix.data, width}; }

}  // namespace

// The lane's rows of a matrix that has the trunk's.
FlowRows FlowStep::trunk(const at::Tensor& matrix, int64_t first) const {
  return columns(matrix, int64_t{lane_} * rows_, first);
}

// The same of one that has the head's.
FlowRows FlowStep::head(const at::Tensor& matrix, int64_t first) const {
  return columns(matrix, int64_t{lane_} * head_rows_, first);
}

template <typename Launch>
void FlowStep::launch(const char* what, Launch launch) {
  if (mode_ == Mode::kRun) cuda_check(launch(), what);
}

void FlowStep::multiply(const FlowMatrix& matrix, FlowRows x, FlowRows y, int32_t rows,
                        FlowRows add, bool float_y) {
  MatrixProduct product;
  product.type = network_.type;
  product.in = matrix.in();
  product.out = matrix.out();
  product.x = x.data;
  product.x_stride = x.stride;
  product.weight = matrix.weight.data_ptr();
  product.bias = matrix.bias.defined() && !float_y ? matrix.bias.data_ptr() : nullptr;
  product.add = add.data;
  product.add_stride = add.stride;
  product.y = y.data;
  product.y_stride = y.stride;
  product.float_y = float_y;
  product.lane = lane_;
  if (mode_ == Mode::kPrepare) {
    products_.prepare(product, rows, on_);
  } else {
    products_.run(product, rows, on_);
  }
}

StepTable FlowStep::norm_table(size_t index) const {
  const at::Tensor& norms = times_.tables.norms;
  return {static_cast<const char*>(norms.data_ptr()) +
              static_cast<int64_t>(index) * 2 * network_.width * norms.element_size(),
          norms.size(1) * norms.size(2), workspace_.step};
}

FlowState FlowStep::state() const {
  return {network_.type,
          workspace_.x.data_ptr<float>(),
          workspace_.state,
          workspace_.state_count,
          extent_.head_rows,
          static_cast<int>(network_.mel),
          columns(workspace_.x_trunk, 0, 0),
          columns(workspace_.normed_x, 0, network_.width)};
}

void FlowStep::feed() {
  launch("feeding a flow", [&] { return spread_state(state(), on_); });
}

void FlowStep::attend(bool of_head) {
  const int32_t table = 2 * lane_ + (of_head ? 1 : 0);
  void* const qkv = trunk(workspace_.wide).data;
  AttentionCall call;
  call.type = network_.type;
  call.qkv = qkv;
  call.out = trunk(workspace_.normed).data;
  call.tiles = workspace_.tiles + table * workspace_.room_for_tiles;
  call.tile_count = workspace_.tile_counts + table;
  call.max_tiles = of_head ? extent_.max_head_tiles : extent_.max_tiles;
  call.heads = static_cast<int>(network_.heads);
  call.head_size = static_cast<int>(network_.head_size);
  launch("rotary embedding", [&] {
    return rotate_rows(network_.type, qkv, static_cast<const float2*>(workspace_.rotary.data_ptr()),
                       workspace_.positions + int64_t{lane_} * rows_, rows_, call.heads,
                       call.head_size, on_);
  });
  launch("attention", [&] { return attend_streams(call, on_); });
}

// out = middle + feed-forward of middle.
void FlowStep::feed_forward(const FlowNetwork::Layer& layer, StepTable norm, FlowRows out,
                            int32_t rows) {
  const int width = static_cast<int>(network_.width), hidden = static_cast<int>(network_.hidden);
  const FlowRows normed = trunk(workspace_.normed), middle = trunk(workspace_.middle);
  launch("norm", [&] {
    return rms_norm(network_.type, middle, normed, norm, rows, width,
                    static_cast<float>(kDitNormEps), on_);
  });
  multiply(layer.gate_up, normed, dense(trunk(workspace_.wide), 2 * hidden), rows);
  launch("gate", [&] {
    return swiglu(network_.type, trunk(workspace_.wide).data, trunk(workspace_.gated).data, rows,
                  hidden, on_);
  });
  multiply(layer.down, trunk(workspace_.gated), out, rows, middle);
}

void FlowStep::layer(size_t index, FlowRows x, FlowRows out) {
  const FlowNetwork::Layer& layer = network_.layers[index];
  const FlowRows normed = trunk(workspace_.normed);
  launch("norm", [&] {
    return rms_norm(network_.type, x, normed, norm_table(2 * index), rows_,
                    static_cast<int>(network_.width), static_cast<float>(kDitNormEps), on_);
  });
  multiply(layer.qkv, normed, dense(trunk(workspace_.wide), 3 * network_.width), rows_);
  const bool last = index + 1 == network_.layers.size();
  attend(/*of_head=*/last);
  FlowRows residual = x;
  int32_t rows = rows_;
  if (last) {  // only the head's rows go on
    rows = head_rows_;
    residual = head(workspace_.last);
    launch("gathering rows", [&] {
      return gather_head(network_.type, x, residual,
                         workspace_.places + int64_t{lane_} * head_rows_, rows,
                         static_cast<int>(network_.width), on_);
    });
  }
  multiply(layer.attention_out, normed, trunk(workspace_.middle), rows, residual);
  feed_forward(layer, norm_table(2 * index + 1), out, rows);
}

void FlowStep::wavenet() {
  const int channels = static_cast<int>(network_.channels);
  const at::Tensor& biases = times_.tables.wavenet;
  const FlowRows x = head(workspace_.head), sum = head(workspace_.head, channels);
  for (size_t i = 0; i < network_.head.size(); ++i) {
    const FlowNetwork::HeadLayer& layer = network_.head[i];
    launch("unfolding", [&] {
      return unfold_streams(network_.type, x, head(workspace_.taps).data,
                            workspace_.places + int64_t{lane_} * head_rows_, head_rows_, channels,
                            static_cast<int>(layer.kernel), static_cast<int>(layer.dilation), on_);
    });
    multiply(layer.convolve, dense(head(workspace_.taps), layer.convolve.in()),
             head(workspace_.head_wide), head_rows_);
    const StepTable table{static_cast<const char*>(biases.data_ptr()) +
                              static_cast<int64_t>(i) * 2 * channels * biases.element_size(),
                          biases.size(1) * biases.size(2), workspace_.step};
    launch("gate", [&] {
      return tanh_gate(network_.type, head(workspace_.head_wide).data,
                       head(workspace_.head_gated).data, table, head_rows_, channels, on_);
    });
    // Residual and skip are added at once; the last layer has no residual.
    const FlowRows to = layer.output.out() == 2 * channels ? x : sum;
    multiply(layer.output, head(workspace_.head_gated), to, head_rows_, to);
  }
}

void FlowStep::run_lane(int32_t lane) {
  lane_ = lane;
  const int width = static_cast<int>(network_.width),
            channels = static_cast<int>(network_.channels);
  const size_t depth = network_.layers.size(), pushed = depth / 2;
  const FlowRows plain = trunk(workspace_.plain), last = head(workspace_.last);
  // Where the result of layer i - 1 goes: beside the skip if layer i takes one. Skips are taken
  // in the reverse order.
  size_t left = pushed;
  FlowRows x = plain;
  multiply(network_.input, trunk(workspace_.x_trunk), x, rows_, trunk(workspace_.merged));
  for (size_t i = 0; i < depth; ++i) {
    const FlowNetwork::Layer& layer = network_.layers[i];
    if (layer.skip.weight.defined()) {
      multiply(layer.skip, trunk(workspace_.skips[left]), plain, rows_);
      x = plain;
    }
    FlowRows out = plain;
    if (i < pushed) {
      out = trunk(workspace_.skips[i], width);
    } else if (i + 1 == depth) {
      out = last;
    } else if (network_.layers[i + 1].skip.weight.defined()) {
      out = trunk(workspace_.skips[--left]);
    }
    this->layer(i, x, out);
    x = out;
  }
  launch("norm", [&] {
    return rms_norm(network_.type, last, head(workspace_.normed_x), norm_table(2 * depth),
                    head_rows_, width, static_cast<float>(kDitNormEps), on_);
  });
  const FlowRows hidden = trunk(workspace_.middle);
  multiply(network_.skip, head(workspace_.normed_x), hidden, head_rows_);
  multiply(network_.head_in, hidden, head(workspace_.head), head_rows_);
  wavenet();
  const at::Tensor& norms = times_.tables.head;
  const StepTable table{norms.data_ptr(), norms.size(1) * norms.size(2), workspace_.step};
  const FlowRows normed = head(workspace_.head_normed), gated = head(workspace_.head_gated);
  launch("norm", [&] {
    return layer_norm(network_.type, head(workspace_.head, channels), normed, table, head_rows_,
                      channels, static_cast<float>(kDitHeadNormEps), on_);
  });
  multiply(network_.head_linear, normed, gated, head_rows_);
}

void FlowStep::finish() {
  lane_ = 0;  // whose rows are the first of all
  multiply(network_.head_out, head(workspace_.head_gated), head(workspace_.velocity),
           extent_.head_rows, {nullptr, 0}, /*float_y=*/true);
  launch("Euler step", [&] {
    return euler_step(state(), workspace_.velocity.data_ptr<float>(),
                      network_.head_out.bias.data_ptr(), times_.widths.data_ptr<float>(),
                      workspace_.step, on_);
  });
  launch("Euler step", [&] { return next_step(workspace_.step, on_); });
}

}  // namespace indextts2
