// The networks of one decoding step on the device: from the codes fed to the logits of the next
// ones, all but attention and sampling. modules/unified_voice.h, UnifiedVoice::step, is the
// definition.
#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "cuda/kernels/bits_rule.h"
#include "cuda/kernels/decode_tables.h"
#include "cuda/kernels/element_type.h"
#include "cuda/kernels/row_linear.h"
#include "modules/unified_voice.h"

namespace indextts2 {

// What stands between two linear layers of layer `layer`. Letters: R rows of the step, C width;
// both arrays are in the element type of the weights, on the device:
//   qkv [R][3 * C]   queries, keys, values of this step's position, heads inside of each
//   out [R][C]       to be filled, heads merged; rows of idle segments may keep anything finite
// Enqueues on `stream`, also while that is being captured. A kernel of it that is launched as a
// programmatic dependent must wait (griddepcontrol.wait) before it reads or writes anything.
using AttentionCall =
    std::function<void(int layer, const void* qkv, void* out, cudaStream_t stream)>;

// What a benchmark may try. All but splits and free_splits change no bit.
struct GptStepTuning {
  bool fused_norm = true;  // norms inside of the linear layers where they can be
  bool prefetch = true;    // of the weights of the layer that comes next
  int splits = 0;          // RowLinear::splits
  bool add = true;         // linear layers add by themselves where they can
  // `splits` are those that are fastest for each number of rows, whatever the bits.
  bool free_splits = !kEqualBits;
};

// Letters: R rows, C width, V codes. A row's bits depend on that row alone, not on R.
// Thread-safety: one thread, one stream at a time (the workspace is shared by all calls).
class GptStep {
 public:
  // False: sizes or types that the kernels do not cover; decode on LibTorch then.
  static bool supports(const UnifiedVoice& model);

  // Workspace for up to `max_rows` rows; the weights are used where they are. The current device
  // must be that of the model. Throws Error{kInternal} unless supports(), and out of memory as
  // LibTorch does.
  GptStep(std::shared_ptr<const UnifiedVoice> model, int max_rows, GptStepTuning tuning = {});

  // One step of the segments tables.segments[0 .. segments - 1]; R = segments * tables.max_beams.
  // Logits [R][V] float32 on the device; those of idle rows are finite and mean nothing. Only
  // enqueues, so it may be captured. Throws Error{kInternal} for too many rows, Error{kDeviceLost}.
  void enqueue(const DecodeTables& tables, int segments, float* logits,
               const AttentionCall& attention, cudaStream_t stream);

  ElementType element_type() const { return type_; }
  int max_rows() const { return max_rows_; }

 private:
  struct Pass;
  using Splits = std::map<std::pair<int64_t, int>, int>;  // by width of the input and most rows
  int splits_of(const Linear& linear, int rows) const;
  Splits fastest_splits();
  RowNorm norm_of(const LayerNorm& norm, Pass* pass) const;
  void norm_and_linear(const LayerNorm& norm, const Linear& linear, const Linear& next,
                       RowOutput output, const at::Tensor& y, Pass* pass) const;
  void linear_to_h(const at::Tensor& x, const Linear& linear, const Linear& next, int splits,
                   Pass* pass);

  const std::shared_ptr<const UnifiedVoice> model_;
  const ElementType type_;
  const int max_rows_;
  const GptStepTuning tuning_;
  Splits free_splits_;
  // Workspace of max_rows rows, see UnifiedVoice for C. h: what the layers add to, float32 [C], the
  // two taking turns; parts: RowNorm::parts; normed: [C] with room for float32; the rest in the
  // weights' type: qkv [3C], seen [C] by attention, inner [FFN].
  at::Tensor h_[2], parts_, normed_, qkv_, seen_, inner_;
};

}  // namespace indextts2
