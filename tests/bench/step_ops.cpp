// The kernels of the networks of a decoding step, each by itself.
#include "step_ops.h"

#include "unit/cuda/device_buffer.h"

namespace indextts2 {
namespace {

class StepOps {
 public:
  StepOps(const UnifiedVoice& model, int rows) : model_(model), rows_(rows) {
    for (DeviceBuffer<float>* buffer : {&x_, &y_, &h_}) {
      check(cudaMemset(buffer->data(), 0, kRoom * sizeof(float)));
    }
    check(cudaDeviceSynchronize());
  }

  std::vector<OpTime> run() const {
    const auto& layers = model_.gpt().layers();
    const struct {
      const char* name;
      const Linear Gpt2::Layer::*linear;
      RowOutput output;
      bool norm;
    } kKinds[] = {{"qkv", &Gpt2::Layer::c_attn, RowOutput::kPlain, false},
                  {"norm + qkv", &Gpt2::Layer::c_attn, RowOutput::kPlain, true},
                  {"proj", &Gpt2::Layer::attn_c_proj, RowOutput::kParts, false},
                  {"proj added", &Gpt2::Layer::attn_c_proj, RowOutput::kAdded, false},
                  {"fc1 + gelu", &Gpt2::Layer::c_fc, RowOutput::kGelu, false},
                  {"norm + fc1 + gelu", &Gpt2::Layer::c_fc, RowOutput::kGelu, true},
                  {"fc2", &Gpt2::Layer::mlp_c_proj, RowOutput::kParts, false},
                  {"fc2 added", &Gpt2::Layer::mlp_c_proj, RowOutput::kAdded, false}};
    std::vector<OpTime> ops;
    for (const auto& kind : kKinds) {
      const Linear& first = layers[0].*kind.linear;
      if (!runs(first, kind.output, kind.norm)) continue;
      const auto all = [&](cudaStream_t on) {
        for (const Gpt2::Layer& layer : layers) {
          RowLinear linear = row_linear_of(layer.*kind.linear, kind.output);
          if (kind.norm) {
            linear.x = nullptr;
            linear.norm = norm_of(layer, linear.in);
            linear.norm.part_count = 0;
          }
          check(row_linear(linear, on));
        }
      };
      ops.push_back(op(kind.name, all, static_cast<double>(first.weight.nbytes()),
                       2.0 * rows_ * static_cast<double>(first.weight.numel())));
    }
    const int width = static_cast<int>(model_.gpt().width());
    const auto norms = [&](cudaStream_t on) {
      for (const Gpt2::Layer& layer : layers) {
        check(row_norm(norm_of(layer, width), rows_, width, type(), type(), y_.data(), on));
      }
    };
    ops.push_back(op("norm", norms, 0, 0));
    return ops;
  }

 private:
  static constexpr size_t kRoom = size_t(kMaxRowSplits) * kMostStepRows * 5120;

  OpTime op(const std::string& name, const std::function<void(cudaStream_t)>& all, double bytes,
            double operations) const {
    const int count = static_cast<int>(model_.gpt().layers().size());
    DeviceTime time = time_graph(all);
    for (double* value : {&time.median, &time.least, &time.most}) *value /= count;
    return {name, count, time, bytes, operations};
  }

  ElementType type() const {
    const at::ScalarType type = model_.mel_embedding().weight.scalar_type();
    return type == at::kFloat  ? ElementType::kFloat32
           : type == at::kHalf ? ElementType::kFloat16
                               : ElementType::kBFloat16;
  }

  RowLinear row_linear_of(const Linear& from, RowOutput output) const {
    RowLinear linear;
    linear.type = type();
    linear.rows = rows_;
    linear.in = static_cast<int>(from.weight.size(1));
    linear.out = static_cast<int>(from.weight.size(0));
    linear.weight = from.weight.const_data_ptr();
    linear.bias = from.bias.const_data_ptr();
    linear.x = x_.data();
    linear.output = output;
    linear.y = y_.data();
    return linear;
  }

  bool runs(const Linear& from, RowOutput output, bool norm) const {
    RowLinear linear = row_linear_of(from, output);
    if (norm) linear.x = nullptr;
    return (!norm && output != RowOutput::kAdded) || row_linear_streams(linear);
  }

  RowNorm norm_of(const Gpt2::Layer& layer, int width) const {
    RowNorm norm;
    norm.h = x_.data();
    norm.parts = x_.data();
    norm.part_count = row_linear_splits(width, 4 * width, type());
    norm.parts_bias = layer.mlp_c_proj.bias.const_data_ptr();
    norm.h_out = h_.data();
    norm.weight = layer.ln_1.weight.const_data_ptr();
    norm.bias = layer.ln_1.bias.const_data_ptr();
    return norm;
  }

  const UnifiedVoice& model_;
  const int rows_;
  mutable DeviceBuffer<float> x_{kRoom}, y_{kRoom}, h_{kRoom};
};

}  // namespace

std::vector<OpTime> step_ops(const UnifiedVoice& model, int rows) {
  return StepOps(model, rows).run();
}

}  // namespace indextts2
