// What a user's list of devices means, apart from how devices are found.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pool/device.h"

namespace indextts2 {

// Why a word that names no device of the list may have been meant seriously; throws, or returns
// when there is nothing to say.
using ExplainMissing = std::function<void(const std::string& word)>;

// The places that `words` mean among `devices` (the last one is the CPU); see resolve_devices().
// `usable`: throws for a device that is named and is not to be used; patterns and "auto" pass over
// it.
std::vector<Place> places_of(const std::vector<std::string>& words,
                             const std::vector<Device>& devices, int replicas_per_device,
                             const std::function<void(const std::string& id)>& usable,
                             const ExplainMissing& explain);

}  // namespace indextts2
