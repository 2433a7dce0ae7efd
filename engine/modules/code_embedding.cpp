// Semantic codes to features.
// Follows index-tts ee40fa7,
// indextts/utils/maskgct/models/codec/amphion_codec/quantize/factorized_vector_quantize.py, vq2emb.
#include "modules/code_embedding.h"

namespace indextts2 {

CodeEmbedding::CodeEmbedding(const Weights& weights, Keep keep) : project_({}, {}) {
  const Weights quantizer = weights.scope("quantizer.quantizers.0");
  const Embedding codebook(quantizer.scope("codebook"), kAny, kAny);
  const Conv1d project(quantizer.scope("out_project"), codebook.weight.size(1), kAny, /*kernel=*/1);
  const Linear rows(project.weight.squeeze(2), project.bias);
  // The projection of a row does not depend on its neighbours: all rows can be projected once.
  table_ = keep == Keep::kProjected ? rows(codebook.weight) : codebook.weight;
  if (keep == Keep::kCodebook) project_ = rows;
}

at::Tensor CodeEmbedding::operator()(const at::Tensor& codes) const {
  const at::Tensor rows = table_.index_select(0, codes.flatten());
  return (project_.weight.defined() ? project_(rows) : rows)
      .view({codes.size(0), codes.size(1), width()});
}

}  // namespace indextts2
