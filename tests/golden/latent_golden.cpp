// Golden case latent: the second GPT pass over given codes, and the condition that is made of it.
#include <string>

#include "golden.h"
#include "load_gpt.h"
#include "model_weights.h"
#include "modules/code_embedding.h"
#include "modules/gpt_layer.h"
#include "ops/host_tensor.h"
#include "stages/mel_generator.h"

namespace indextts2 {
namespace {

const RunGolden kLatent("latent", [](GoldenCase& golden) {
  const auto model = load_speech_model(golden);
  const ModelFiles files = model_files(golden);
  const Weights s2mel = model_weights(golden, files.s2mel),
                codec = model_weights(golden, files.codec);
  const MelGenerator generator(s2mel, codec, read_model_config(files));
  const GptLayer gpt_layer(s2mel_network(s2mel, "gpt_layer"));
  const CodeEmbedding embedding(codec);
  const at::Tensor conditioning =
      model->conditioning(golden.get("spk_latents"), golden.get("emovec"));
  const std::vector<int32_t> text_ids = to_vector<int32_t>(golden.get("text_ids"));
  for (const std::string name : {"a", "one", "b"}) {
    const at::Tensor codes = golden.get(name + "_codes");
    const at::Tensor latent = model->latent(conditioning, text_ids, to_vector<int64_t>(codes));
    golden.expect(name + "_latent", latent);
    golden.expect(name + "_gpt_layer", gpt_layer(latent));
    golden.expect(name + "_vq_emb", embedding(codes));
    golden.expect(name + "_target_len", int64_tensor({mel_frames(codes.size(1))}));
    golden.expect(name + "_cond", generator.condition(codes, latent));
  }
});

}  // namespace
}  // namespace indextts2
