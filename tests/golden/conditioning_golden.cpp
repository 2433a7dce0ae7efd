// Golden cases of kind conditioning: speaker latents and emotion vectors of semantic features.
#include <string>

#include "golden.h"
#include "model_weights.h"
#include "modules/voice_conditioner.h"
#include "stages/emotion.h"
#include "weights/config.h"

namespace indextts2 {
namespace {

const RunGolden kConditioning("conditioning", [](GoldenCase& golden) {
  const ModelConfig config = read_model_config(model_files(golden));
  VoiceConditionerOptions options;
  options.speaker_heads = config.gpt.condition_module.attention_heads;
  options.emotion_heads = config.gpt.emo_condition_module.attention_heads;
  const at::Tensor voice = golden.get("voice_cond");
  const VoiceConditioner gpt(model_weights(golden, model_files(golden).gpt), voice.size(2),
                             options);
  for (const std::string name : {"voice", "cut"}) {
    const at::Tensor features = golden.get(name + "_cond");
    const at::Tensor speaker = gpt.speaker_conformer().forward(features);
    golden.expect(name + "_spk_conformer", speaker);
    golden.expect(name + "_spk_latents", gpt.speaker_latents(features));
    const at::Tensor emotion = gpt.emotion_conformer().forward(features);
    golden.expect(name + "_emo_conformer", emotion);
    golden.expect(name + "_emo_latent", gpt.emotion_perceiver().forward(emotion));
    golden.expect(name + "_emovec", gpt.emotion_vector(features));
  }
  const at::Tensor base = gpt.emotion_vector(voice),
                   other = gpt.emotion_vector(golden.get("emo_cond"));
  for (const char* alpha : {"0.0", "0.65", "1.0", "1.7"}) {
    golden.expect(std::string("merged_alpha_") + alpha,
                  merge_emotion(base, other, std::stod(alpha)));
  }
});

}  // namespace
}  // namespace indextts2
