// Devices that stay out until the process restarts: after some failures of a device call no other
// call on it succeeds.
#pragma once

#include <string>

namespace indextts2 {

// Thread-safety: safe.
void mark_device_dead(const std::string& id);
bool device_is_alive(const std::string& id);
// Throws Error{kDeviceLost} for a device that was marked.
void check_device_alive(const std::string& id);

}  // namespace indextts2
