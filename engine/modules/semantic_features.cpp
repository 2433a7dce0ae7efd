// Semantic features of speech.
// Follows index-tts ee40fa7, indextts/infer_v2.py, IndexTTS2.get_emb.
#include "modules/semantic_features.h"

namespace indextts2 {

SemanticFeatures::SemanticFeatures(const Weights& w2v, const Weights& stats,
                                   const W2vBertOptions& options)
    : w2v_(w2v, options),
      mean_(stats.take("mean", {w2v_.width()})),
      deviation_(stats.take("var", {w2v_.width()}).sqrt()) {}

at::Tensor SemanticFeatures::forward(const at::Tensor& rows, int64_t valid_rows) const {
  return w2v_.forward(rows, valid_rows).sub(mean_).div_(deviation_);
}

}  // namespace indextts2
