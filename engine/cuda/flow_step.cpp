// One Euler step of packed flows as a sequence of launches.
#include "cuda/flow_step.h"

#include "cuda/cuda_check.h"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_rows.h"

namespace indextts2 {
namespace {

// The columns from `first` on of a matrix.
FlowRows columns(const at::Tensor& matrix, int64_t first = 0) {
  return {static_cast<char*>(matrix.data_ptr()) + first * matrix.element_size(), matrix.size(1)};
}

// The memory of `matrix` as rows of `width` without gaps.
FlowRows dense(const at::Tensor& matrix, int64_t width) { return {matrix.data_ptr(), width}; }

}  // namespace

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
          workspace_.counts + 2,
          extent_.head_rows,
          static_cast<int>(network_.mel),
          columns(workspace_.x_trunk),
          columns(workspace_.normed_x, network_.width)};
}

void FlowStep::feed() {
  launch("feeding a flow", [&] { return spread_state(state(), on_); });
}

void FlowStep::attend(bool of_head) {
  AttentionCall call;
  call.type = network_.type;
  call.qkv = workspace_.wide.data_ptr();
  call.out = workspace_.normed.data_ptr();
  call.tiles = of_head ? workspace_.head_tiles : workspace_.tiles;
  call.tile_count = workspace_.counts + (of_head ? 1 : 0);
  call.max_tiles = of_head ? extent_.max_head_tiles : extent_.max_tiles;
  call.heads = static_cast<int>(network_.heads);
  call.head_size = static_cast<int>(network_.head_size);
  launch("rotary embedding", [&] {
    return rotate_rows(network_.type, workspace_.wide.data_ptr(),
                       static_cast<const float2*>(workspace_.rotary.data_ptr()),
                       workspace_.positions, extent_.rows, call.heads, call.head_size, on_);
  });
  launch("attention", [&] { return attend_streams(call, on_); });
}

// out = middle + feed-forward of middle.
void FlowStep::feed_forward(const FlowNetwork::Layer& layer, StepTable norm, FlowRows out,
                            int32_t rows) {
  const int width = static_cast<int>(network_.width), hidden = static_cast<int>(network_.hidden);
  const FlowRows normed = columns(workspace_.normed), middle = columns(workspace_.middle);
  launch("norm", [&] {
    return rms_norm(network_.type, middle, normed, norm, rows, width,
                    static_cast<float>(kDitNormEps), on_);
  });
  multiply(layer.gate_up, normed, dense(workspace_.wide, 2 * hidden), rows);
  launch("gate", [&] {
    return swiglu(network_.type, workspace_.wide.data_ptr(), workspace_.gated.data_ptr(), rows,
                  hidden, on_);
  });
  multiply(layer.down, columns(workspace_.gated), out, rows, middle);
}

void FlowStep::layer(size_t index, FlowRows x, FlowRows out) {
  const FlowNetwork::Layer& layer = network_.layers[index];
  const FlowRows normed = columns(workspace_.normed);
  launch("norm", [&] {
    return rms_norm(network_.type, x, normed, norm_table(2 * index), extent_.rows,
                    static_cast<int>(network_.width), static_cast<float>(kDitNormEps), on_);
  });
  multiply(layer.qkv, normed, dense(workspace_.wide, 3 * network_.width), extent_.rows);
  const bool last = index + 1 == network_.layers.size();
  attend(/*of_head=*/last);
  FlowRows residual = x;
  int32_t rows = extent_.rows;
  if (last) {  // only the head's rows go on
    rows = extent_.head_rows;
    residual = columns(workspace_.last);
    launch("gathering rows", [&] {
      return gather_head(network_.type, x, residual, workspace_.places, rows,
                         static_cast<int>(network_.width), on_);
    });
  }
  multiply(layer.attention_out, normed, columns(workspace_.middle), rows, residual);
  feed_forward(layer, norm_table(2 * index + 1), out, rows);
}

void FlowStep::wavenet() {
  const int channels = static_cast<int>(network_.channels);
  const at::Tensor& biases = times_.tables.wavenet;
  const FlowRows x = columns(workspace_.head), sum = columns(workspace_.head, channels);
  for (size_t i = 0; i < network_.head.size(); ++i) {
    const FlowNetwork::HeadLayer& layer = network_.head[i];
    launch("unfolding", [&] {
      return unfold_streams(network_.type, x, workspace_.taps.data_ptr(), workspace_.places,
                            extent_.head_rows, channels, static_cast<int>(layer.kernel),
                            static_cast<int>(layer.dilation), on_);
    });
    multiply(layer.convolve, dense(workspace_.taps, layer.convolve.in()),
             columns(workspace_.head_wide), extent_.head_rows);
    const StepTable table{static_cast<const char*>(biases.data_ptr()) +
                              static_cast<int64_t>(i) * 2 * channels * biases.element_size(),
                          biases.size(1) * biases.size(2), workspace_.step};
    launch("gate", [&] {
      return tanh_gate(network_.type, workspace_.head_wide.data_ptr(),
                       workspace_.head_gated.data_ptr(), table, extent_.head_rows, channels, on_);
    });
    // Residual and skip are added at once; the last layer has no residual.
    const FlowRows to = layer.output.out() == 2 * channels ? x : sum;
    multiply(layer.output, columns(workspace_.head_gated), to, extent_.head_rows, to);
  }
}

void FlowStep::run() {
  const int width = static_cast<int>(network_.width),
            channels = static_cast<int>(network_.channels);
  const size_t depth = network_.layers.size(), pushed = depth / 2;
  const FlowRows plain = columns(workspace_.plain), last = columns(workspace_.last);
  // Where the result of layer i - 1 goes: beside the skip if layer i takes one. Skips are taken
  // in the reverse order.
  size_t left = pushed;
  FlowRows x = plain;
  multiply(network_.input, columns(workspace_.x_trunk), x, extent_.rows,
           columns(workspace_.merged));
  for (size_t i = 0; i < depth; ++i) {
    const FlowNetwork::Layer& layer = network_.layers[i];
    if (layer.skip.weight.defined()) {
      multiply(layer.skip, columns(workspace_.skips[left]), plain, extent_.rows);
      x = plain;
    }
    FlowRows out = plain;
    if (i < pushed) {
      out = columns(workspace_.skips[i], width);
    } else if (i + 1 == depth) {
      out = last;
    } else if (network_.layers[i + 1].skip.weight.defined()) {
      out = columns(workspace_.skips[--left]);
    }
    this->layer(i, x, out);
    x = out;
  }
  launch("norm", [&] {
    return rms_norm(network_.type, last, columns(workspace_.normed_x), norm_table(2 * depth),
                    extent_.head_rows, width, static_cast<float>(kDitNormEps), on_);
  });
  const FlowRows hidden = columns(workspace_.middle);
  multiply(network_.skip, columns(workspace_.normed_x), hidden, extent_.head_rows);
  multiply(network_.head_in, hidden, columns(workspace_.head), extent_.head_rows);
  wavenet();
  const at::Tensor& norms = times_.tables.head;
  const StepTable table{norms.data_ptr(), norms.size(1) * norms.size(2), workspace_.step};
  const FlowRows normed = columns(workspace_.head_normed), gated = columns(workspace_.head_gated);
  launch("norm", [&] {
    return layer_norm(network_.type, columns(workspace_.head, channels), normed, table,
                      extent_.head_rows, channels, static_cast<float>(kDitHeadNormEps), on_);
  });
  multiply(network_.head_linear, normed, gated, extent_.head_rows);
  multiply(network_.head_out, gated, columns(workspace_.velocity), extent_.head_rows, {nullptr, 0},
           /*float_y=*/true);
  launch("Euler step", [&] {
    return euler_step(state(), workspace_.velocity.data_ptr<float>(),
                      network_.head_out.bias.data_ptr(), times_.widths.data_ptr<float>(),
                      workspace_.step, on_);
  });
  launch("Euler step", [&] { return next_step(workspace_.step, on_); });
}

}  // namespace indextts2
