// The networks that speak, on one device: immutable, shared by all replicas of that device.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "modules/unified_voice.h"
#include "stages/backend.h"
#include "stages/emotion.h"
#include "stages/mel_generator.h"
#include "stages/unused_tensors.h"
#include "stages/vocoder.h"
#include "stages/voice_encoder.h"
#include "weights/config.h"
#include "weights/model_files.h"

namespace indextts2 {

// The checkpoints of a model folder, opened (memory-mapped) once for all devices.
struct ModelCheckpoints {
  explicit ModelCheckpoints(const ModelFiles& files);
  std::shared_ptr<const Checkpoint> gpt, s2mel, codec, campplus, bigvgan, w2v, w2v_stat, spk_matrix,
      emo_matrix;
  // Bytes of all files together, for progress.
  uint64_t bytes() const;
};

// The files that speaking needs, at the root of what is looked for in them. Where `options` say
// bfloat16, the GPT and the vocoder come in float16: as fast, and nearer to float32. In bfloat16
// the GPT draws other codes than in float32 often enough to be heard; that its trained weights
// and activations fit float16 is shown by the reference, whose own half precision it is.
struct SpeechWeights {
  SpeechWeights(const ModelCheckpoints& files, const WeightsOptions& options);
  Weights gpt, s2mel, codec, bigvgan, spk_matrix, emo_matrix;
};

// Thread-safety: const.
struct SpeechModel {
  // `backend`: of the library that serves the weights' device; null: everything runs on LibTorch.
  SpeechModel(const ModelCheckpoints& files, const ModelConfig& config,
              const WeightsOptions& options, const DeviceBackend* backend = nullptr)
      : SpeechModel(SpeechWeights(files, options), config, backend) {}
  SpeechModel(const SpeechWeights& weights, const ModelConfig& config,
              const DeviceBackend* backend = nullptr);

  ModelConfig config;
  std::shared_ptr<const UnifiedVoice> gpt;
  MelGenerator mel;
  Vocoder vocoder;
  std::shared_ptr<const DeviceNetworks> networks;  // what runs gpt, mel.flow() and the vocoder
  EmotionTable emotions;
  std::vector<UnusedTensors> unused;  // one entry a file; the voice encoder may need what is left

 private:
  // `waves`: made after the other networks, so that its memory lies behind theirs, and given away:
  // a backend that packs it frees it while the model is made.
  SpeechModel(const SpeechWeights& weights, const ModelConfig& config, const DeviceBackend* backend,
              std::shared_ptr<const BigVgan> waves);
};

// The voice encoder of the same files. Where `options` say half precision, w2v-BERT, the largest
// part by far, comes in float16, and the GPT's conditioning encoders and the codec's encoder keep
// their matrices so. These compute in float32, but for the subsampling (ConformerEncoder): float16
// overflows in them. The others, the codec's quantizer among them, stay in float32.
std::unique_ptr<const VoiceEncoder> load_voice_encoder(const ModelCheckpoints& files,
                                                       const ModelConfig& config,
                                                       const WeightsOptions& options);

}  // namespace indextts2
