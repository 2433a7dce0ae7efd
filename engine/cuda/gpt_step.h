// The networks of one decoding step on the device: from the codes fed to the logits of the next
// ones, all but attention and sampling. modules/unified_voice.h, UnifiedVoice::step, is the
// definition.
#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

#include "cuda/kernels/decode_tables.h"
#include "cuda/kernels/element_type.h"
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

// Letters: R rows, C width, V codes. A row's bits depend on that row alone, not on R.
// Thread-safety: one thread, one stream at a time (the workspace is shared by all calls).
class GptStep {
 public:
  // False: sizes or types that the kernels do not cover; decode on LibTorch then.
  static bool supports(const UnifiedVoice& model);

  // Workspace for up to `max_rows` rows; the weights are used where they are. The current device
  // must be that of the model. Throws Error{kInternal} unless supports(), and out of memory as
  // LibTorch does.
  GptStep(std::shared_ptr<const UnifiedVoice> model, int max_rows);

  // One step of the segments tables.segments[0 .. segments - 1]; R = segments * tables.max_beams.
  // Logits [R][V] float32 on the device; those of idle rows are finite and mean nothing. Only
  // enqueues, so it may be captured. Throws Error{kInternal} for too many rows, Error{kDeviceLost}.
  void enqueue(const DecodeTables& tables, int segments, float* logits,
               const AttentionCall& attention, cudaStream_t stream);

  ElementType element_type() const { return type_; }
  int max_rows() const { return max_rows_; }

 private:
  struct Buffers {                // [max_rows] rows each
    at::Tensor stream[2];         // float32 [C]: what the layers add to, the two taking turns
    at::Tensor partial;           // float32 [kMaxSplits][rows][C]: sums of a part of K
    at::Tensor normed;            // [C], room for float32
    at::Tensor qkv, seen, inner;  // [3C], [C], [FFN] in the weights' type
  };
  void norm_and_linear(int layer, bool second, int rows, cudaStream_t stream);

  const std::shared_ptr<const UnifiedVoice> model_;
  const ElementType type_;
  const int max_rows_;
  Buffers buffers_;
};

}  // namespace indextts2
