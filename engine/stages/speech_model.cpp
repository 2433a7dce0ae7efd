// Loading of the networks from the checkpoints of a model folder.
#include "stages/speech_model.h"

#include <filesystem>

namespace indextts2 {

ModelCheckpoints::ModelCheckpoints(const ModelFiles& files)
    : gpt(open_checkpoint(files.gpt)),
      s2mel(open_checkpoint(files.s2mel)),
      codec(open_checkpoint(files.codec)),
      campplus(open_checkpoint(files.campplus)),
      bigvgan(open_checkpoint(files.bigvgan)),
      w2v(open_checkpoint(files.w2v)),
      w2v_stat(open_checkpoint(files.w2v_stat)),
      spk_matrix(open_checkpoint(files.spk_matrix)),
      emo_matrix(open_checkpoint(files.emo_matrix)) {}

uint64_t ModelCheckpoints::bytes() const {
  uint64_t sum = 0;
  for (const auto& file :
       {gpt, s2mel, codec, campplus, bigvgan, w2v, w2v_stat, spk_matrix, emo_matrix}) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(file->path(), ignored);
    if (!ignored) sum += size;
  }
  return sum;
}

SpeechModel::SpeechModel(const ModelCheckpoints& files, const ModelConfig& model,
                         const WeightsOptions& options)
    : config(model),
      gpt(Weights(files.gpt, options), model.gpt),
      mel(Weights(files.s2mel, options), Weights(files.codec, options), model),
      vocoder(Weights(files.bigvgan, options), model),
      emotions(Weights(files.spk_matrix, options), Weights(files.emo_matrix, options),
               model.emo_num) {}

std::unique_ptr<const VoiceEncoder> load_voice_encoder(const ModelCheckpoints& files,
                                                       const ModelConfig& config,
                                                       const WeightsOptions& options) {
  const Weights s2mel(files.s2mel, options);
  return std::make_unique<const VoiceEncoder>(
      VoiceEncoderWeights{Weights(files.w2v, options), Weights(files.w2v_stat, options),
                          Weights(files.codec, options), Weights(files.campplus, options),
                          s2mel_network(s2mel, "length_regulator"), Weights(files.gpt, options)},
      config);
}

}  // namespace indextts2
