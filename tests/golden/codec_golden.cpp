// Golden cases of kind codec: semantic codes of a prompt and features of codes.
#include "golden.h"
#include "model_weights.h"
#include "modules/semantic_codec.h"

namespace indextts2 {
namespace {

const RunGolden kCodec("codec", [](GoldenCase& golden) {
  const Weights weights = model_weights(golden, model_files(golden).codec);
  const SemanticCodec codec(weights);
  expect_all_used(weights, SemanticCodec::unused_names());
  const at::Tensor features = golden.get("spk_cond");
  const at::Tensor encoded = codec.encode(features);
  golden.expect("encoded", encoded.transpose(1, 2));
  golden.expect("latent", codec.latent(encoded).transpose(1, 2));
  const SemanticCodec::Quantized quantized = codec.quantize(features);
  golden.expect("codes", quantized.codes);
  golden.expect("quantized", quantized.features);
  golden.expect("vq_emb", codec.embedding()(golden.get("vq_codes")));
});

}  // namespace
}  // namespace indextts2
