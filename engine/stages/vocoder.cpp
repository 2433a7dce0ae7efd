// Log-mel to sound.
#include "stages/vocoder.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace indextts2 {

Vocoder::Vocoder(const Weights& weights, const ModelConfig& config)
    : network_(weights.scope(weights.has_scope("generator") ? "generator" : ""), config.bigvgan),
      device_(weights.options().device),
      dtype_(weights.options().dtype) {
  if (network_.hop() != config.mel.hop_length) {
    throw Error(ErrorCode::kModel, "bigvgan/config.json: upsample_rates: expected a product of " +
                                       std::to_string(config.mel.hop_length) +
                                       " as hop_length of config.yaml says, got " +
                                       std::to_string(network_.hop()));
  }
}

std::vector<float> Vocoder::decode(const at::Tensor& mel, const StopToken& stop) const {
  if (mel.dim() != 3 || mel.size(0) != 1 || mel.size(1) != network_.mel_bands()) {
    throw Error(ErrorCode::kInternal, "vocoder: mel of a wrong shape");
  }
  const at::Tensor wave =
      network_(mel.to(device_, dtype_), stop).to(at::kCPU, at::kFloat).contiguous();
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
