// The GPT-2 trunk: pre-norm transformer layers on embeddings, with a final norm; no position
// embeddings of its own. Follows transformers 4.52.1, GPT2Model, as index-tts ee40fa7 builds it
// (gelu_new, wpe replaced by zeros).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/kv_cache.h"
#include "ops/layers.h"

namespace indextts2 {

// Letters: T positions, N rows, C width. Thread-safety: const.
class Gpt2 {
 public:
  struct Layer {
    explicit Layer(const Weights& weights, int64_t width);
    at::Tensor feed_forward(const at::Tensor& x) const;
    LayerNorm ln_1, ln_2;
    Linear c_attn, attn_c_proj, c_fc, mlp_c_proj;
  };

  // `weights`: scope with h.0, h.1, ... and ln_f. Number of layers, widths and vocabularies come
  // from the shapes. Throws Error{kModel} for missing layers or a width that `heads` does not
  // divide.
  Gpt2(const Weights& weights, int64_t heads);

  // x [1, T, C] -> [1, T, C], each position seeing itself and those before. A cache, if given, must
  // have been started; it then holds the T positions as its prefix.
  at::Tensor forward(const at::Tensor& x, KvCache* cache = nullptr) const;

  // One further position of every row of several segments: x [N, C] -> [N, C], the rows of
  // caches[0] first, then those of caches[1], ... (KvCache::rows each). The caches must have been
  // extended by extend_rows.
  at::Tensor step(const at::Tensor& x, const std::vector<KvCache*>& caches) const;

  KvShape kv_shape() const;
  int64_t width() const { return width_; }
  const std::vector<Layer>& layers() const { return layers_; }
  const LayerNorm& ln_f() const { return ln_f_; }
  int64_t weight_bytes() const;  // of the layers' matrices: what a step reads

 private:
  std::vector<Layer> layers_;
  LayerNorm ln_f_;
  int64_t width_, heads_;
};

}  // namespace indextts2
