// Codes and their latent to a log-mel in the voice of a prompt.
// Follows index-tts ee40fa7, indextts/infer_v2.py, the part of infer_generator between the latent
// and the vocoder.
#include "stages/mel_generator.h"

#include <string>

#include "core/error.h"
#include "ops/frames.h"

namespace indextts2 {
namespace {

constexpr float kFramesPerCode = 1.72f;

}  // namespace

int64_t mel_frames(int64_t num_codes) {
  return static_cast<int64_t>(static_cast<float>(num_codes) * kFramesPerCode);
}

Weights s2mel_network(const Weights& weights, const char* network) {
  const Weights scope = weights.scope("net").scope(network);
  return scope.has_scope("module") ? scope.scope("module") : scope;
}

MelGenerator::MelGenerator(const Weights& s2mel, const Weights& codec, const ModelConfig& config)
    : gpt_layer_(s2mel_network(s2mel, "gpt_layer")),
      embedding_(codec),
      regulator_(s2mel_network(s2mel, "length_regulator")),
      flow_(std::make_shared<const FlowMatching>(s2mel_network(s2mel, "cfm").scope("estimator"),
                                                 config.dit, config.wavenet)),
      device_(s2mel.options().device),
      dtype_(s2mel.options().dtype) {
  const int64_t width = embedding_.width();
  if (gpt_layer_.out_features() != width || regulator_.in_channels() != width) {
    throw Error(ErrorCode::kModel, "weights: gpt_layer and length_regulator of " + s2mel.path() +
                                       ": expected " + std::to_string(width) +
                                       " semantic features as in " + codec.path() + ", got " +
                                       std::to_string(gpt_layer_.out_features()) + " and " +
                                       std::to_string(regulator_.in_channels()) +
                                       "; are both files of the same model?");
  }
  if (regulator_.channels() != flow_->dit.cond_width()) {
    throw Error(ErrorCode::kModel, "weights: length_regulator of " + s2mel.path() + ": expected " +
                                       std::to_string(flow_->dit.cond_width()) +
                                       " output channels as the flow takes, got " +
                                       std::to_string(regulator_.channels()));
  }
}

std::vector<std::string> MelGenerator::unused_weights() {
  std::vector<std::string> names;
  for (const char* level : {"", "module."}) {  // as in s2mel_network
    for (const std::string& name : Dit::unused_weights()) {
      names.push_back(std::string("cfm.") + level + "estimator." + name);
    }
    for (const std::string& name : LengthRegulator::unused_weights()) {
      names.push_back(std::string("length_regulator.") + level + name);
    }
  }
  return names;
}

at::Tensor MelGenerator::condition(const at::Tensor& codes, const at::Tensor& latent) const {
  const at::Tensor semantic =
      embedding_(codes.to(device_)).add_(gpt_layer_(latent.to(device_, dtype_)));
  return regulator_(semantic, mel_frames(codes.size(1)));
}

MelPrompt MelGenerator::on_device(const MelPrompt& prompt) const {
  return {prompt.mel.to(device_, dtype_), prompt.condition.to(device_, dtype_),
          prompt.style.to(device_, dtype_)};
}

FlowJob MelGenerator::flow_job(const at::Tensor& codes, const at::Tensor& latent,
                               const MelPrompt& prompt, const at::Tensor& noise,
                               const FlowOptions& options) const {
  if (codes.dim() != 2 || codes.size(1) < 1) {
    throw Error(ErrorCode::kSynthesis, "mel: no codes were generated; try another seed or text");
  }
  if (codes.min().item<int64_t>() < 0 || codes.max().item<int64_t>() >= num_codes()) {
    throw Error(ErrorCode::kSynthesis, "mel: expected codes below " + std::to_string(num_codes()) +
                                           ", got " + std::to_string(codes.max().item<int64_t>()) +
                                           "; try another seed");
  }
  if (latent.dim() != 3 || latent.size(1) != codes.size(1) ||
      latent.size(2) != gpt_layer_.in_features()) {
    throw Error(ErrorCode::kInternal,
                "mel: latent of a wrong shape for " + std::to_string(codes.size(1)) + " codes");
  }
  const MelPrompt there = on_device(prompt);
  FlowJob job;
  job.input.prompt = there.mel;
  job.input.style = there.style;
  job.input.cond = concat({there.condition, condition(codes, latent)}, 1);
  job.noise = noise.to(device_, at::kFloat);
  job.options = options;
  return job;
}

at::Tensor MelGenerator::generate(const at::Tensor& codes, const at::Tensor& latent,
                                  const MelPrompt& prompt, const at::Tensor& noise,
                                  const FlowOptions& options, const StopToken& stop) const {
  stop.check();
  const FlowJob job = flow_job(codes, latent, prompt, noise, options);
  return flow_->solve(job.input, job.noise, job.options, stop);
}

}  // namespace indextts2
