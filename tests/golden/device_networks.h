// The networks that a golden case's device runs, beside the modules that define them.
#pragma once

#include <cstdio>
#include <memory>

#include "device_backend.h"
#include "golden.h"
#include "stages/torch_networks.h"

namespace indextts2 {

// Of the device's library if it offers any, else on LibTorch; says which. Modules that the case
// does not use may be null.
inline std::shared_ptr<const DeviceNetworks> device_networks(const GoldenCase& golden,
                                                             const NetworkModules& modules) {
  const DeviceBackend* backend = find_device_backend(golden.device().str());
  std::printf("  %s: through the networks of %s\n", golden.name().c_str(),
              backend ? "the device's library" : "LibTorch");
  if (backend) return backend->prepare(modules);
  return std::make_shared<const TorchNetworks>(modules);
}

}  // namespace indextts2
