// The model, voice and speech of tests that run the whole engine on some devices.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {

// main() of device_pool_test.cpp sets them from the command line.
inline std::string g_model = INDEXTTS2_COMPACT_MODEL;
inline std::string g_clip;  // empty: the model's own
inline int g_segment_tokens = 30;

inline const EngineFactory& factory() { return *indextts2_engine_factory(kEngineAbi); }

inline bool has_cuda() {
  for (const DeviceInfo& device : factory().list_devices()) {
    if (device.id == "cuda:0") return true;
  }
  return false;
}

inline EngineOptions options_for(std::vector<std::string> devices) {
  EngineOptions options;
  options.model_dir = g_model;
  options.devices = std::move(devices);
  options.warmup = false;
  options.share_pool = false;  // every case has its own faults
  return options;
}

// Short, so that the cases take seconds.
inline SpeakOptions short_speech() {
  SpeakOptions options;
  options.seed = 11;
  options.generation.num_beams = 1;
  options.generation.diffusion_steps = 2;
  options.generation.max_mel_tokens = 30;
  options.generation.max_segment_tokens = g_segment_tokens;
  return options;
}

inline VoiceOptions voice_options() {
  VoiceOptions options;
  options.speaker.path = g_clip;
  return options;
}

}  // namespace indextts2
