// A voice as the engine hands it out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "indextts2/engine.h"
#include "stages/voice_parts.h"
#include "weights/config.h"

namespace indextts2 {

// A voice of one model. Its tensors fit no other. Thread-safety: safe.
class EncodedVoice : public Voice {
 public:
  EncodedVoice(std::shared_ptr<const VoiceParts> parts, std::string model_dir)
      : parts(std::move(parts)), model_dir(std::move(model_dir)) {}
  double prompt_seconds() const override { return parts->early().prompt_seconds; }

  const std::shared_ptr<const VoiceParts> parts;
  const std::string model_dir;
};

// `voice` must be an EncodedVoice.
inline const VoiceParts& parts_of(const Voice& voice) {
  return *static_cast<const EncodedVoice&>(voice).parts;
}

// The part that may be still to come counts, too.
inline uint64_t bytes_of(const VoiceParts& parts, const ModelConfig& config) {
  const VoiceFeatures& voice = parts.early();
  uint64_t bytes = 0;
  for (const at::Tensor& tensor :
       {voice.speaker_latents, voice.base_emovec, voice.own_emovec, voice.clip_emovec}) {
    if (tensor.defined()) bytes += tensor.nbytes();
  }
  const int64_t columns = config.mel.n_mels + config.length_regulator.channels;
  return bytes +
         sizeof(float) * static_cast<uint64_t>(parts.prompt_frames() * columns + config.style_dim);
}

}  // namespace indextts2
