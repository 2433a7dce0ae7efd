// Semantic codes to features.
// Follows index-tts ee40fa7,
// indextts/utils/maskgct/models/codec/amphion_codec/quantize/factorized_vector_quantize.py, vq2emb.
#include "modules/code_embedding.h"

namespace indextts2 {

CodeEmbedding::CodeEmbedding(const Weights& weights) {
  const Weights quantizer = weights.scope("quantizer.quantizers.0");
  const Embedding codebook(quantizer.scope("codebook"), kAny, kAny);
  const Conv1d project(quantizer.scope("out_project"), codebook.weight.size(1), kAny, /*kernel=*/1);
  // The projection of a row does not depend on its neighbours: project all rows once.
  table_ = Linear(project.weight.squeeze(2), project.bias)(codebook.weight);
}

at::Tensor CodeEmbedding::operator()(const at::Tensor& codes) const {
  return table_.index_select(0, codes.flatten()).view({codes.size(0), codes.size(1), width()});
}

}  // namespace indextts2
