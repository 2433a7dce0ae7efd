// Loading of the networks from the checkpoints of a model folder.
#include "stages/speech_model.h"

#include <filesystem>
#include <utility>

#include "stages/torch_networks.h"

namespace indextts2 {

namespace {

// gpt.pth is a dictionary of tensors, or one with such a dictionary as its "model".
Weights gpt_network(const ModelCheckpoints& files, const WeightsOptions& options) {
  const Weights root(files.gpt, options);
  return root.has_scope("model") ? root.scope("model") : root;
}

std::shared_ptr<const DeviceNetworks> make_networks(NetworkModules modules,
                                                    const DeviceBackend* backend) {
  if (backend) return backend->prepare(std::move(modules));
  return std::make_shared<const TorchNetworks>(std::move(modules));
}

// Half precision where `options` say one, the one with the finer steps.
WeightsOptions fine_options(WeightsOptions options) {
  if (options.dtype == at::kBFloat16) options.dtype = at::kHalf;
  return options;
}

}  // namespace

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

SpeechWeights::SpeechWeights(const ModelCheckpoints& files, const WeightsOptions& options)
    : gpt(gpt_network(files, fine_options(options))),
      s2mel(files.s2mel, options),
      codec(files.codec, options),
      bigvgan(files.bigvgan, fine_options(options)),
      spk_matrix(files.spk_matrix, options),
      emo_matrix(files.emo_matrix, options) {}

SpeechModel::SpeechModel(const SpeechWeights& weights, const ModelConfig& model,
                         const DeviceBackend* backend)
    : SpeechModel(weights, model, backend, /*waves=*/nullptr) {}

SpeechModel::SpeechModel(const SpeechWeights& weights, const ModelConfig& model,
                         const DeviceBackend* backend, std::shared_ptr<const BigVgan> waves)
    : config(model),
      gpt(std::make_shared<const UnifiedVoice>(weights.gpt, model.gpt)),
      mel(weights.s2mel, weights.codec, model),
      vocoder(*(waves = load_vocoder(weights.bigvgan, model))),
      networks(make_networks({gpt, mel.flow(), std::move(waves)}, backend)),
      emotions(weights.spk_matrix, weights.emo_matrix, model.emo_num),
      unused({unused_in(weights.gpt, UnifiedVoice::unused_weights()),
              unused_in(weights.s2mel.scope("net"), MelGenerator::unused_weights()),
              unused_in(weights.codec, SemanticCodec::unused_names()),
              unused_in(weights.bigvgan, {}), unused_in(weights.spk_matrix, {}),
              unused_in(weights.emo_matrix, {})}) {}

std::unique_ptr<const VoiceEncoder> load_voice_encoder(const ModelCheckpoints& files,
                                                       const ModelConfig& config,
                                                       const WeightsOptions& options) {
  WeightsOptions in_float = options;
  in_float.dtype = at::kFloat;
  WeightsOptions kept_fine = in_float;
  kept_fine.matrix_dtype = fine_options(options).dtype;
  const Weights s2mel(files.s2mel, in_float);
  return std::make_unique<const VoiceEncoder>(
      VoiceEncoderWeights{Weights(files.w2v, fine_options(options)),
                          Weights(files.w2v_stat, in_float), Weights(files.codec, kept_fine),
                          Weights(files.campplus, in_float),
                          s2mel_network(s2mel, "length_regulator"), gpt_network(files, kept_fine)},
      config);
}

}  // namespace indextts2
