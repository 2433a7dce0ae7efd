// Voice encoder: clips -> what synthesis needs to know of a voice.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "audio/clip.h"
#include "audio/fbank.h"
#include "audio/mel.h"
#include "core/stop_token.h"
#include "modules/campplus.h"
#include "modules/length_regulator.h"
#include "modules/semantic_codec.h"
#include "modules/semantic_features.h"
#include "modules/voice_conditioner.h"
#include "stages/unused_tensors.h"
#include "stages/voice_features.h"
#include "weights/config.h"
#include "weights/weights.h"

namespace indextts2 {

// Each at the root of its network in the checkpoint.
struct VoiceEncoderWeights {
  Weights w2v, w2v_stats, codec, campplus, length_regulator, gpt;
};

// What the configuration says about two of the steps.
W2vBertOptions w2v_options(const ModelConfig& config);
MelOptions mel_options(const MelConfig& config);

struct EncodeOptions {
  double max_seconds = 15;  // longest part of each clip that is used
  StopToken stop;           // tested between steps
  std::function<void(int done, int total)>
      progress;  // after each step, on the caller's thread; may be empty
};

// A voice half made: what decoding needs is known, the rest is on its way.
struct VoiceDraft {
  VoiceFeatures voice;  // without its VoicePrompt
  int64_t prompt_frames = 0;
  int steps_done = 0, steps = 0;
  // For the rest: the semantic features [1, T, W] on the encoder's device, the log-mel of the
  // prompt and the input of CAMPPlus.
  at::Tensor features;
  std::future<at::Tensor> mel, fbank;
};

// One replica. Thread-safety: const, but one call at a time makes the best use of a device.
class VoiceEncoder {
 public:
  // Throws Error{kModel} if tensors are missing, or do not fit the configuration or each other.
  VoiceEncoder(const VoiceEncoderWeights& weights, const ModelConfig& config);

  // `emotion`: a second clip whose emotion is wanted, or null. Costs one w2v-BERT pass a clip and
  // one more. Throws Error{kVoiceInvalid, kCancelled, kSynthesis}.
  VoiceFeatures encode(const MonoClip& speaker, const MonoClip* emotion,
                       const EncodeOptions& options) const;
  // The same in two parts, so that decoding may begin between them.
  VoiceDraft begin(const MonoClip& speaker, const MonoClip* emotion,
                   const EncodeOptions& options) const;
  VoicePrompt finish(VoiceDraft draft, const EncodeOptions& options) const;

  // One entry a file but that of the length regulator, which speaking takes whole; speaking may
  // need what is left here.
  const std::vector<UnusedTensors>& unused() const { return unused_; }

 private:
  at::Tensor semantic(const W2vFeatures& features) const;

  at::Device device_;
  MelOptions mel_;
  SemanticFeatures semantic_;
  SemanticCodec codec_;
  Campplus campplus_;
  LengthRegulator regulator_;
  VoiceConditioner gpt_;
  std::vector<UnusedTensors> unused_;
};

}  // namespace indextts2
