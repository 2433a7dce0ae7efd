// The networks of the CUDA library: own kernels where their sizes have them, LibTorch elsewhere.
#pragma once

#include <memory>

#include "stages/backend.h"

namespace indextts2 {

// Thread-safety: safe.
class CudaBackend : public DeviceBackend {
 public:
  // Packs what the kernels need on the current stream and waits for it.
  std::shared_ptr<const DeviceNetworks> prepare(NetworkModules modules) const override;
};

}  // namespace indextts2
