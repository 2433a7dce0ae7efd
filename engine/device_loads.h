// Networks on devices and the replicas that run them, at the start and later.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loaded_model.h"

namespace indextts2 {

// The places of `words`, each with its precision settled: its own, else the engine's, else fp32 for
// a CPU beside GPUs. Throws Error as resolve_devices, and {kSettings} for precisions that cannot be
// had.
std::vector<ModelPlace> settle_places(const std::vector<std::string>& words, int replicas,
                                      Precision precision);

using Networks = std::map<std::string, std::shared_ptr<const SpeechModel>>;  // by device
// The format of the networks on a device, named in the settings or loaded later.
at::ScalarType dtype_on(const ModelSettings& settings, const std::string& device);

// Uploads the networks to all devices of `places` at the same time, from files that are read once.
// Progress has the device in `detail`. Throws Error, the first one.
Networks load_networks(const LoadedModel& model, const std::vector<ModelPlace>& places,
                       const std::shared_ptr<const ModelCheckpoints>& files, const StopToken& stop,
                       const Tell& tell);

// One replica a place.
std::vector<SpeechPool::Plan> replica_plans(const LoadedModel& model,
                                            const std::vector<ModelPlace>& places,
                                            const Networks& networks);

// See Engine::load_device and unload_device.
void load_device(LoadedModel& model, const std::string& word, const StopToken& stop,
                 const Tell& tell);
void unload_device(LoadedModel& model, const std::string& id);

}  // namespace indextts2
