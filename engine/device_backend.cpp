// The networks that a device's own library offers.
#include "device_backend.h"

#include "pool/device.h"

namespace indextts2 {

const DeviceBackend* find_device_backend(const std::string& device_id) {
  using Entry = const DeviceBackend* (*)(int);
  const auto entry = reinterpret_cast<Entry>(device_symbol(device_id, "indextts2_device_backend"));
  return entry ? entry(kDeviceBackendAbi) : nullptr;
}

}  // namespace indextts2
