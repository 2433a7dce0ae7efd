// A model that is ready to speak: its networks on their devices, the replicas that run them, the
// text front end. Shared by the engines of a process that ask for the same.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "indextts2/engine.h"
#include "pool/replica_pool.h"
#include "stages/synthesizer.h"
#include "stages/voice_encoder.h"
#include "text/front_end.h"
#include "weights/model_files.h"

namespace indextts2 {

// What decides whether two engines can share one LoadedModel; all of it is in key().
struct ModelSettings {
  std::string model_dir, data_dir, hub_cache;
  std::vector<std::string> places;  // device of each replica
  Precision precision = Precision::kAuto;
  Kernels kernels = Kernels::kAuto;
  int threads = 0, max_batch = 1;
  bool warmup = true;

  std::string key() const;
};

// A clip or two to encode.
struct VoiceRequest {
  VoiceOptions options;
  std::function<void(int done, int total)> progress;
};
using VoiceJob = Job<VoiceRequest, std::shared_ptr<const VoiceFeatures>>;

// One worker that encodes voices.
class VoiceWorker {
 public:
  VoiceWorker(std::shared_ptr<const VoiceEncoder> encoder, std::shared_ptr<StageClock> clock,
              std::string device)
      : encoder_(std::move(encoder)), clock_(std::move(clock)), device_(std::move(device)) {}
  void serve(JobQueue<VoiceJob>& queue);

 private:
  std::shared_ptr<const VoiceFeatures> encode(const VoiceRequest& request,
                                              const StopToken& stop) const;

  const std::shared_ptr<const VoiceEncoder> encoder_;
  const std::shared_ptr<StageClock> clock_;
  const std::string device_;
};

using SpeechPool = ReplicaPool<Synthesizer, SynthesisJob>;
using VoicePool = ReplicaPool<VoiceWorker, VoiceJob>;
using Tell = std::function<void(const Progress&)>;

// Thread-safety: const.
struct LoadedModel {
  ModelSettings settings;
  ModelFiles files;
  ModelConfig config;
  ModelInfo info;
  std::shared_ptr<const FrontEnd> front;
  std::shared_ptr<StageClock> clock;
  std::shared_ptr<VoicePool> voices;
  std::shared_ptr<SpeechPool> speakers;
};

// Opens the folder, loads the networks onto their devices and starts the replicas. Throws Error.
std::shared_ptr<LoadedModel> load_model(const ModelSettings& settings, const StopToken& stop,
                                        const Tell& tell);

}  // namespace indextts2
