// The networks of one decoding step on the device.
#include "cuda/gpt_step.h"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "cuda/cuda_check.h"
#include "cuda/cuda_handles.h"
#include "cuda/kernels/device_code.h"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {
namespace {

ElementType element_type_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return ElementType::kFloat32;
    case at::kHalf:
      return ElementType::kFloat16;
    case at::kBFloat16:
      return ElementType::kBFloat16;
    default:
      throw Error(ErrorCode::kInternal, "decoding: no kernels for weights of this type");
  }
}

// Contiguous and aligned, on a CUDA device.
bool readable(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.defined() && tensor.is_cuda() && tensor.scalar_type() == type &&
         tensor.is_contiguous() && reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0;
}

bool readable(const Linear& linear, at::ScalarType type) {
  return readable(linear.weight, type) && readable(linear.bias, type) &&
         linear.weight.size(1) * linear.weight.element_size() % 64 == 0;
}

bool readable(const LayerNorm& norm, at::ScalarType type) {
  return readable(norm.weight, type) && readable(norm.bias, type);
}

int size_of(const at::Tensor& tensor, int64_t dim) { return static_cast<int>(tensor.size(dim)); }

}  // namespace

// One call of enqueue.
struct GptStep::Pass {
  int rows;
  cudaStream_t stream;
  int h = 0;                         // which of h_ is the newest
  int part_count = 0;                // of parts_ still to be added to it
  const void* parts_bias = nullptr;  // with them
};

bool GptStep::supports(const UnifiedVoice& model) {
  const at::Tensor& codes = model.mel_embedding().weight;
  const at::ScalarType type = codes.scalar_type();
  if (type != at::kFloat && type != at::kHalf && type != at::kBFloat16) return false;
  if (!readable(codes, type) || !readable(model.mel_pos_embedding().weight, type)) return false;
  if (!readable(model.mel_head(), at::kFloat) || !readable(model.final_norm(), type) ||
      !readable(model.gpt().ln_f(), type) || model.gpt().width() > kMaxNormWidth) {
    return false;
  }
  const c10::DeviceGuard guard(codes.device());
  const auto& layers = model.gpt().layers();
  return has_device_code(80) &&
         std::all_of(layers.begin(), layers.end(), [type](const Gpt2::Layer& layer) {
           return readable(layer.ln_1, type) && readable(layer.ln_2, type) &&
                  readable(layer.c_attn, type) && readable(layer.attn_c_proj, type) &&
                  readable(layer.c_fc, type) && readable(layer.mlp_c_proj, type);
         });
}

GptStep::GptStep(std::shared_ptr<const UnifiedVoice> model, int max_rows, GptStepTuning tuning)
    : model_(std::move(model)),
      type_(element_type_of(model_->mel_embedding().weight.scalar_type())),
      max_rows_(max_rows),
      tuning_(tuning) {
  if (!supports(*model_)) {
    throw Error(ErrorCode::kInternal, "decoding: no kernels for a model of these sizes");
  }
  const Gpt2& gpt = model_->gpt();
  const int64_t width = gpt.width();
  int64_t inner = 0;
  for (const Gpt2::Layer& layer : gpt.layers()) inner = std::max(inner, layer.c_fc.weight.size(0));
  const at::TensorOptions own = model_->mel_embedding().weight.options();
  const at::TensorOptions wide = own.dtype(at::kFloat);
  for (at::Tensor& h : h_) h = at::empty({max_rows, width}, wide);
  parts_ = at::empty({kMaxRowSplits, max_rows, width}, wide);
  normed_ = at::empty({max_rows, width}, wide);
  qkv_ = at::empty({max_rows, 3 * width}, own);
  seen_ = at::empty({max_rows, width}, own);
  inner_ = at::empty({max_rows, inner}, own);
  if (tuning_.free_splits) free_splits_ = fastest_splits();
}

int GptStep::splits_of(const Linear& linear, int rows) const {
  if (tuning_.splits > 0) return tuning_.splits;
  const auto found = free_splits_.lower_bound({linear.weight.size(1), rows});
  if (found != free_splits_.end() && found->first.first == linear.weight.size(1)) {
    return found->second;
  }
  return row_linear_splits(size_of(linear.weight, 0), size_of(linear.weight, 1), type_);
}

// Runs the layers that have parts with each number of them: what rows hold does not matter.
GptStep::Splits GptStep::fastest_splits() {
  constexpr int kRuns = 3, kClasses[] = {3, 6, 12, 24, 48, 96};
  const CudaEvent start = make_timing_event(), stop = make_timing_event();
  const auto time_of = [&](const Linear Gpt2::Layer::*linear, const at::Tensor& x, int rows,
                           int splits) {
    float least = 0;
    for (int run = 0; run <= kRuns; ++run) {
      cuda_check(cudaEventRecord(start.get(), nullptr), "timing linear layers");
      for (const Gpt2::Layer& layer : model_->gpt().layers()) {
        Pass pass{rows, nullptr};
        linear_to_h(x, layer.*linear, layer.*linear, splits, &pass);
      }
      cuda_check(cudaEventRecord(stop.get(), nullptr), "timing linear layers");
      cuda_check(cudaEventSynchronize(stop.get()), "timing linear layers");
      float time = 0;
      cuda_check(cudaEventElapsedTime(&time, start.get(), stop.get()), "timing linear layers");
      if (run == 1 || (run > 1 && time < least)) least = time;  // the first one warms up
    }
    return least;
  };
  Splits fastest;
  for (const auto& [linear, x] :
       {std::pair(&Gpt2::Layer::attn_c_proj, seen_), std::pair(&Gpt2::Layer::mlp_c_proj, inner_)}) {
    for (const int rows : kClasses) {
      if (rows > max_rows_) break;
      float least = 0;
      int& best = fastest[{x.size(1), rows}];
      for (const int splits : {1, 2, 4}) {
        const float time = time_of(linear, x, rows, splits);
        if (splits > 1 && time >= least) continue;
        least = time;
        best = splits;
      }
    }
  }
  return fastest;
}

// The norm of the newest h, to which it adds what is still to be added.
RowNorm GptStep::norm_of(const LayerNorm& norm, Pass* pass) const {
  RowNorm result;
  result.h = h_[pass->h].const_data_ptr<float>();
  if (pass->part_count > 0) {
    result.parts = parts_.const_data_ptr<float>();
    result.part_count = std::exchange(pass->part_count, 0);
    result.parts_bias = pass->parts_bias;
    pass->h = 1 - pass->h;
    result.h_out = h_[pass->h].mutable_data_ptr<float>();
  }
  result.weight = norm.weight.const_data_ptr();
  result.bias = norm.bias.const_data_ptr();
  result.eps = static_cast<float>(norm.eps);
  return result;
}

void GptStep::norm_and_linear(const LayerNorm& norm, const Linear& linear, const Linear& next,
                              RowOutput output, const at::Tensor& y, Pass* pass) const {
  RowLinear layer;
  layer.type = element_type_of(linear.weight.scalar_type());
  layer.rows = pass->rows;
  layer.in = size_of(linear.weight, 1);
  layer.out = size_of(linear.weight, 0);
  layer.weight = linear.weight.const_data_ptr();
  layer.bias = linear.bias.const_data_ptr();
  layer.norm = norm_of(norm, pass);
  layer.output = output;
  layer.y = y.mutable_data_ptr();
  if (tuning_.prefetch && pass->rows <= kMostPrefetchRows) {
    layer.next = next.weight.const_data_ptr();
    layer.next_bytes = next.weight.nbytes();
  }
  const bool inside = tuning_.fused_norm && layer.norm.part_count == 0 && row_linear_streams(layer);
  if (!inside) {
    cuda_check(row_norm(layer.norm, pass->rows, layer.in, type_, type_, normed_.mutable_data_ptr(),
                        pass->stream),
               "starting a layer norm");
    layer.x = normed_.const_data_ptr();
  }
  cuda_check(row_linear(layer, pass->stream), "starting a linear layer");
}

// Adds to the newest h, at once or with the next norm.
void GptStep::linear_to_h(const at::Tensor& x, const Linear& linear, const Linear& next, int splits,
                          Pass* pass) {
  RowLinear layer;
  layer.type = type_;
  layer.rows = pass->rows;
  layer.in = size_of(linear.weight, 1);
  layer.out = size_of(linear.weight, 0);
  layer.weight = linear.weight.const_data_ptr();
  layer.bias = linear.bias.const_data_ptr();
  layer.x = x.const_data_ptr();
  layer.splits = splits;
  layer.output = RowOutput::kAdded;
  layer.y = h_[pass->h].mutable_data_ptr();
  if (tuning_.add && row_linear_streams(layer)) {
    cuda_check(row_linear(layer, pass->stream), "starting a linear layer");
    return;
  }
  layer.output = RowOutput::kParts;
  layer.y = parts_.mutable_data_ptr();
  if (tuning_.prefetch && pass->rows <= kMostPrefetchRows) {
    layer.next = next.weight.const_data_ptr();
    layer.next_bytes = next.weight.nbytes();
  }
  cuda_check(row_linear(layer, pass->stream), "starting a linear layer");
  pass->part_count = layer.splits;
  pass->parts_bias = linear.bias.const_data_ptr();
}

void GptStep::enqueue(const DecodeTables& tables, int segments, float* logits,
                      const AttentionCall& attention, cudaStream_t stream) {
  Pass pass{segments * tables.max_beams, stream};
  if (pass.rows > max_rows_) {
    throw Error(ErrorCode::kInternal, "decoding: " + std::to_string(pass.rows) +
                                          " rows, room for " + std::to_string(max_rows_));
  }
  if (pass.rows == 0) return;
  const Gpt2& gpt = model_->gpt();
  const int width = static_cast<int>(gpt.width());
  const at::Tensor &codes = model_->mel_embedding().weight,
                   &positions = model_->mel_pos_embedding().weight;
  cuda_check(
      gather_code_rows({codes.const_data_ptr(), positions.const_data_ptr(), size_of(codes, 0),
                        size_of(positions, 0)},
                       tables, segments, width, type_, h_[0].mutable_data_ptr<float>(), stream),
      "gathering the codes");
  const auto& layers = gpt.layers();
  for (size_t i = 0; i < layers.size(); ++i) {
    const Gpt2::Layer& layer = layers[i];
    const bool last = i + 1 == layers.size();
    norm_and_linear(layer.ln_1, layer.c_attn, layer.attn_c_proj, RowOutput::kPlain, qkv_, &pass);
    attention(static_cast<int>(i), qkv_.const_data_ptr(), seen_.mutable_data_ptr(), stream);
    linear_to_h(seen_, layer.attn_c_proj, layer.c_fc, splits_of(layer.attn_c_proj, pass.rows),
                &pass);
    norm_and_linear(layer.ln_2, layer.c_fc, layer.mlp_c_proj, RowOutput::kGelu, inner_, &pass);
    linear_to_h(inner_, layer.mlp_c_proj, last ? model_->mel_head() : layers[i + 1].c_attn,
                splits_of(layer.mlp_c_proj, pass.rows), &pass);
  }
  RowNorm norm = norm_of(gpt.ln_f(), &pass);
  norm.h_out = nullptr;
  norm.weight2 = model_->final_norm().weight.const_data_ptr();
  norm.bias2 = model_->final_norm().bias.const_data_ptr();
  norm.eps2 = static_cast<float>(model_->final_norm().eps);
  cuda_check(row_norm(norm, pass.rows, width, type_, ElementType::kFloat32,
                      normed_.mutable_data_ptr(), stream),
             "starting the last layer norm");
  const Linear& head = model_->mel_head();
  RowLinear layer;
  layer.rows = pass.rows;
  layer.in = width;
  layer.out = size_of(head.weight, 0);
  layer.weight = head.weight.const_data_ptr();
  layer.bias = head.bias.const_data_ptr();
  layer.x = normed_.const_data_ptr();
  layer.y = logits;
  cuda_check(row_linear(layer, stream), "starting the head");
}

}  // namespace indextts2
