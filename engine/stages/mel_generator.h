// Codes and their latent to a log-mel in the voice of a prompt.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "modules/code_embedding.h"
#include "modules/flow_matching.h"
#include "modules/gpt_layer.h"
#include "modules/length_regulator.h"
#include "stages/backend.h"

namespace indextts2 {

// Mel frames that n codes last: floor(n * 1.72), the product in float32.
int64_t mel_frames(int64_t num_codes);

// The scope of one network of s2mel.pth ("cfm", "length_regulator", "gpt_layer"): below "net", with
// or without the "module" level that distributed training leaves.
Weights s2mel_network(const Weights& weights, const char* network);

// What the voice contributes. P prompt frames; any device, float32.
struct MelPrompt {
  at::Tensor mel;        // [1, M, P] log-mel of the clip
  at::Tensor condition;  // [1, P, C] its semantic features through the length regulator
  at::Tensor style;      // [1, style width]
};

// Thread-safety: const.
class MelGenerator {
 public:
  // `s2mel`: root of s2mel.pth; `codec`: root of the semantic codec's file.
  MelGenerator(const Weights& s2mel, const Weights& codec, const ModelConfig& config);

  // What a FlowSolver needs for one segment: codes int64 [1, n] below num_codes(), n >= 1; latent
  // [1, n, GPT width]; noise [1, M, P + mel_frames(n)] float32, standard normal. Throws
  // Error{kSynthesis} for no or wrong codes.
  FlowJob flow_job(const at::Tensor& codes, const at::Tensor& latent, const MelPrompt& prompt,
                   const at::Tensor& noise, const FlowOptions& options) const;
  // `prompt` as flow_job() takes it to the device: given that, it copies nothing.
  MelPrompt on_device(const MelPrompt& prompt) const;
  // The same solved on LibTorch: the log-mel [1, M, mel_frames(n)] float32 on the weights' device.
  // Throws Error{kSynthesis, kCancelled}.
  at::Tensor generate(const at::Tensor& codes, const at::Tensor& latent, const MelPrompt& prompt,
                      const at::Tensor& noise, const FlowOptions& options,
                      const StopToken& stop) const;
  // The condition of the generated frames alone [1, mel_frames(n), C].
  at::Tensor condition(const at::Tensor& codes, const at::Tensor& latent) const;

  // Tensors below "net" of s2mel.pth that inference does not need.
  static std::vector<std::string> unused_weights();

  int64_t num_codes() const { return embedding_.num_codes(); }
  int64_t mel_bands() const { return flow_->dit.mel_bands(); }
  const std::shared_ptr<const FlowMatching>& flow() const { return flow_; }

 private:
  GptLayer gpt_layer_;
  CodeEmbedding embedding_;
  LengthRegulator regulator_;
  std::shared_ptr<const FlowMatching> flow_;
  at::Device device_;
  at::ScalarType dtype_;
};

}  // namespace indextts2
