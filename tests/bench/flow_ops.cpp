// The kernels of a step of the flow, each by itself.
#include "flow_ops.h"

#include <ATen/ops/randn.h>

#include "cuda/cuda_check.h"
#include "cuda/flow_workspace.h"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/flow_rows.h"
#include "cuda/matrix_product.h"

namespace indextts2 {
namespace {

class FlowOps {
 public:
  FlowOps(const FlowNetwork& network, const FlowSegment& segment)
      : network_(network),
        type_(network.type),
        segment_(segment),
        layout_({segment},
                attention_tile_rows(type_, static_cast<int>(network.heads),
                                    static_cast<int>(network.head_size), 2 * segment.frames)),
        space_(network, layout_.rows, layout_.head_rows, 64),
        products_(network.device),
        table_(at::randn({1, 4 * network.width}).to(network.device, scalar_type_of(type_))) {
    for (const at::Tensor& t : {space_.plain, space_.normed, space_.wide, space_.gated, space_.head,
                                space_.taps, space_.head_wide, space_.head_gated}) {
      t.normal_();
    }
    space_.upload(layout_, nullptr);
    cuda_check(cudaDeviceSynchronize(), "filling the memory of a flow");
  }

  std::vector<OpTime> run() {
    products();
    attention();
    const auto w = static_cast<int>(network_.width), hidden = static_cast<int>(network_.hidden);
    const auto c = static_cast<int>(network_.channels);
    const int rows = layout_.rows, head_rows = layout_.head_rows;
    const StepTable table{table_.data_ptr(), 4 * w, space_.step};
    bytes("norm", 27, 2.0 * rows * w, [&, w, rows](cudaStream_t on) {
      return rms_norm(type_, {space_.plain.data_ptr(), w}, {space_.normed.data_ptr(), w}, table,
                      rows, w, 1e-5f, on);
    });
    bytes("rotary embedding", 13, 4.0 * rows * w, [&](cudaStream_t on) {
      return rotate_rows(type_, space_.wide.data_ptr(),
                         static_cast<const float2*>(space_.rotary.data_ptr()), space_.positions,
                         rows, static_cast<int>(network_.heads),
                         static_cast<int>(network_.head_size), on);
    });
    bytes("SwiGLU", 13, 3.0 * rows * hidden, [&](cudaStream_t on) {
      return swiglu(type_, space_.wide.data_ptr(), space_.gated.data_ptr(), rows, hidden, on);
    });
    bytes("unfolding", 8, 6.0 * head_rows * c, [&](cudaStream_t on) {
      return unfold_streams(type_, {space_.head.data_ptr(), 2 * c}, space_.taps.data_ptr(),
                            space_.places, head_rows, c, 5, 1, on);
    });
    bytes("tanh gate", 8, 3.0 * head_rows * c, [&](cudaStream_t on) {
      return tanh_gate(type_, space_.head_wide.data_ptr(), space_.head_gated.data_ptr(), table,
                       head_rows, c, on);
    });
    return std::move(ops_);
  }

 private:
  void products() {
    const int rows = layout_.rows, head_rows = layout_.head_rows;
    const FlowNetwork::Layer &layer = network_.layers.front(), &late = network_.layers.back();
    const FlowNetwork::HeadLayer& head = network_.head.front();
    product("qkv", 13, layer.qkv, space_.normed, space_.wide, rows);
    product("attention out", 13, layer.attention_out, space_.normed, space_.middle, rows, true);
    product("gate and up", 13, layer.gate_up, space_.normed, space_.wide, rows);
    product("down", 13, layer.down, space_.gated, space_.middle, rows, true);
    product("skip", 6, late.skip, space_.skips[0], space_.plain, rows);
    product("WaveNet convolution", 8, head.convolve, space_.taps, space_.head_wide, head_rows);
    product("WaveNet output", 8, head.output, space_.head_gated, space_.head, head_rows, true);
  }

  double item() const { return type_ == FlowType::kFloat32 ? 4 : 2; }

  void product(const char* name, int count, const FlowMatrix& matrix, const at::Tensor& x,
               const at::Tensor& y, int rows, bool adds = false) {
    MatrixProduct p;
    p.type = type_;
    p.in = p.x_stride = matrix.in();
    p.out = p.y_stride = matrix.out();
    p.x = x.data_ptr();
    p.weight = matrix.weight.data_ptr();
    p.y = y.data_ptr();
    if (matrix.bias.defined()) p.bias = matrix.bias.data_ptr();
    if (adds) {
      p.add = y.data_ptr();
      p.add_stride = p.y_stride;
    }
    products_.prepare(p, rows, nullptr);
    cuda_check(cudaDeviceSynchronize(), "choosing a product");
    const auto in = static_cast<double>(p.in), out = static_cast<double>(p.out);
    const DeviceTime time = time_launch([&](cudaStream_t on) { products_.run(p, rows, on); });
    ops_.push_back({name, count, time, item() * (in * out + rows * (in + (adds ? 2 : 1) * out)),
                    2.0 * rows * in * out});
  }

  void attention() {
    AttentionCall call;
    call.type = type_;
    call.qkv = space_.wide.data_ptr();
    call.out = space_.normed.data_ptr();
    call.tiles = space_.tiles;
    call.tile_count = space_.tile_counts;
    call.max_tiles = layout_.max_tiles;
    call.heads = static_cast<int>(network_.heads);
    call.head_size = static_cast<int>(network_.head_size);
    space_.wide.normal_();
    cuda_check(cudaDeviceSynchronize(), "filling the memory of a flow");
    const auto time = [&] {
      return time_launch(
          [&](cudaStream_t on) { cuda_check(attend_streams(call, on), "attention of a flow"); });
    };
    const double frames = segment_.frames, wanted = segment_.frames - segment_.first;
    const double operations = 2 * 4.0 * frames * frames * static_cast<double>(network_.width);
    const double moved = 4.0 * layout_.rows * static_cast<double>(network_.width) * item();
    ops_.push_back({"attention", 12, time(), moved, operations});
    call.tiles = space_.tiles + space_.room_for_tiles;
    call.tile_count = space_.tile_counts + 1;
    call.max_tiles = layout_.max_head_tiles;
    ops_.push_back({"attention, last layer", 1, time(), 0, operations * wanted / frames});
  }

  void bytes(const char* name, int count, double elements,
             const std::function<cudaError_t(cudaStream_t)>& launch) {
    const DeviceTime time =
        time_launch([&](cudaStream_t on) { cuda_check(launch(on), "a kernel of a flow"); });
    ops_.push_back({name, count, time, elements * item(), 0});
  }

  const FlowNetwork& network_;
  const FlowType type_;
  const FlowSegment segment_;
  const FlowLayout layout_;
  FlowWorkspace space_;
  MatrixProducts products_;
  at::Tensor table_;
  std::vector<OpTime> ops_;
};

}  // namespace

std::vector<OpTime> flow_ops(const FlowNetwork& network, const FlowSegment& segment) {
  return FlowOps(network, segment).run();
}

FlowSegment flow_segment(int32_t prompt, int32_t generated) {
  constexpr int32_t kSeenBefore = 16;  // of the prompt by the WaveNet
  return {prompt + generated, prompt - kSeenBefore, generated, 0.7f};
}

}  // namespace indextts2
