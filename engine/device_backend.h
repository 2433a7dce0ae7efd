// The networks that a device's own library offers.
#pragma once

#include <string>

#include "stages/backend.h"

namespace indextts2 {

// Of the library that serves this device; null: it has none (the CPU, or a library of another
// version), everything runs on LibTorch then. Lives as long as the process. Thread-safety: safe.
const DeviceBackend* find_device_backend(const std::string& device_id);

}  // namespace indextts2
