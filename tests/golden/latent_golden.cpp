// Golden case latent: the second GPT pass over given codes, and the condition that is made of it.
#include <string>

#include "golden.h"
#include "speech_model.h"

namespace indextts2 {
namespace {

const RunGolden kLatent("latent", [](GoldenCase& golden) {
  const auto model = load_speech_model(golden);
  const at::Tensor conditioning =
      model->conditioning(golden.get("spk_latents"), golden.get("emovec"));
  const std::vector<int32_t> text_ids = to_vector<int32_t>(golden.get("text_ids"));
  for (const std::string name : {"a", "one", "b"}) {
    const std::vector<int64_t> codes = to_vector<int64_t>(golden.get(name + "_codes"));
    golden.expect(name + "_latent", model->latent(conditioning, text_ids, codes));
    for (const char* other : {"_gpt_layer", "_vq_emb", "_target_len", "_cond"}) {
      golden.leave_out(name + other, "the mel condition is not part of this test yet");
    }
  }
});

}  // namespace
}  // namespace indextts2
