// Speaker latents and emotion vectors from semantic features.
// Follows index-tts ee40fa7, indextts/gpt/model_v2.py, UnifiedVoice.get_conditioning and
// get_emovec.
#include "modules/voice_conditioner.h"

namespace indextts2 {

VoiceConditioner::VoiceConditioner(const Weights& gpt, int64_t feature_width,
                                   const VoiceConditionerOptions& options)
    : speaker_conformer_(gpt.scope("conditioning_encoder"), feature_width),
      speaker_perceiver_(gpt.scope("perceiver_encoder"), PerceiverOptions{options.speaker_heads}),
      emotion_conformer_(gpt.scope("emo_conditioning_encoder"), feature_width),
      emotion_perceiver_(gpt.scope("emo_perceiver_encoder"),
                         PerceiverOptions{options.emotion_heads}),
      emovec_layer_(gpt.scope("emovec_layer"), emotion_perceiver_.width(),
                    speaker_perceiver_.width()),
      emo_layer_(gpt.scope("emo_layer"), speaker_perceiver_.width(), speaker_perceiver_.width()) {}

std::vector<std::string> VoiceConditioner::unused_weights() {
  return {"conditioning_encoder.embed.pos_enc", "emo_conditioning_encoder.embed.pos_enc"};
}

at::Tensor VoiceConditioner::speaker_latents(const at::Tensor& features) const {
  return speaker_perceiver_.forward(speaker_conformer_.forward(features));
}

at::Tensor VoiceConditioner::emotion_vector(const at::Tensor& features) const {
  return emotion_from_latent(emotion_perceiver_.forward(emotion_conformer_.forward(features)));
}

at::Tensor VoiceConditioner::emotion_from_latent(const at::Tensor& latent) const {
  return emo_layer_(emovec_layer_(latent.select(1, 0)));
}

}  // namespace indextts2
