// Log-mel to sound.
#include "stages/vocoder.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace indextts2 {

std::shared_ptr<const BigVgan> load_vocoder(const Weights& weights, const ModelConfig& config) {
  auto network = std::make_shared<const BigVgan>(
      weights.scope(weights.has_scope("generator") ? "generator" : ""), config.bigvgan);
  if (network->hop() != config.mel.hop_length) {
    throw Error(ErrorCode::kModel, "bigvgan/config.json: upsample_rates: expected a product of " +
                                       std::to_string(config.mel.hop_length) +
                                       " as hop_length of config.yaml says, got " +
                                       std::to_string(network->hop()));
  }
  return network;
}

Vocoder::Vocoder(const BigVgan& network)
    : mel_bands_(network.mel_bands()), device_(network.options().device()) {}

std::vector<float> Vocoder::decode(const at::Tensor& mel, WaveDecoder& decoder,
                                   const StopToken& stop) const {
  if (mel.dim() != 3 || mel.size(0) != 1 || mel.size(1) != mel_bands_) {
    throw Error(ErrorCode::kInternal, "vocoder: mel of a wrong shape");
  }
  const at::Tensor wave =
      decoder.decode(mel.to(device_, at::kFloat), stop).to(at::kCPU).contiguous();
  const float* samples = wave.const_data_ptr<float>();
  std::vector<float> sound(samples, samples + wave.numel());
  for (const float sample : sound) {
    if (!std::isfinite(sample)) {
      throw Error(ErrorCode::kSynthesis,
                  "vocoder: the sound is not finite; with half precision try precision=fp32");
    }
  }
  return sound;
}

}  // namespace indextts2
