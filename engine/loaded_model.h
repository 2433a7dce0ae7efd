// A model that is ready to speak: its networks on their devices, the replicas that run them, the
// text front end. Shared by the engines of a process that ask for the same.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "device_events.h"
#include "indextts2/engine.h"
#include "memory_marks.h"
#include "pool/replica_pool.h"
#include "stages/synthesizer.h"
#include "text/front_end.h"
#include "text_emotions.h"
#include "voice_service.h"
#include "weights/model_files.h"

namespace indextts2 {

// Where a replica runs, and its precision.
struct ModelPlace {
  std::string device;
  Precision precision = Precision::kFp32;
};

// What decides whether two engines can share one LoadedModel is in key().
struct ModelSettings {
  std::string model_dir, data_dir, hub_cache;
  std::vector<ModelPlace> places;          // of each replica, at the start
  Precision precision = Precision::kAuto;  // of devices that are loaded later
  Kernels kernels = Kernels::kAuto;
  int threads = 0, max_batch = 1, replicas_per_device = 1;
  bool warmup = true;
  double stall_seconds = 0;
  std::string inject_faults;
  std::string trace_path;  // of the first engine that opens the pool; not in the key

  std::string key() const;
};

using SpeechPool = ReplicaPool<Synthesizer, SynthesisJob>;
using Tell = std::function<void(const Progress&)>;

// Thread-safety: safe; all but the pools is constant.
struct LoadedModel {
  ModelSettings settings;
  ModelFiles files;
  ModelConfig config;
  ModelInfo info;
  std::shared_ptr<const FrontEnd> front;
  std::shared_ptr<StageClock> clock;
  std::shared_ptr<MemoryMarks> memory;
  std::shared_ptr<DeviceEvents> events;
  std::shared_ptr<const FaultPlan> faults;  // null: none
  VoiceService voices;
  const std::shared_ptr<TextEmotions> emotions = std::make_shared<TextEmotions>();
  std::shared_ptr<SpeechPool> speakers;  // its replicas have the names of their devices
};

// Opens the folder, loads the networks onto their devices and starts the replicas. Throws Error.
std::shared_ptr<LoadedModel> load_model(const ModelSettings& settings, const StopToken& stop,
                                        const Tell& tell);

}  // namespace indextts2
