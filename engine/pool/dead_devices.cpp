// The list of dead devices.
#include "pool/dead_devices.h"

#include <mutex>
#include <set>

#include "core/error.h"

namespace indextts2 {
namespace {

struct DeadDevices {
  std::mutex mutex;  // guards ids
  std::set<std::string> ids;
};

DeadDevices& dead_devices() {
  static auto* const devices = new DeadDevices;  // leaked: workers may outlive statics
  return *devices;
}

}  // namespace

void mark_device_dead(const std::string& id) {
  std::lock_guard<std::mutex> lock(dead_devices().mutex);
  dead_devices().ids.insert(id);
}

bool device_is_alive(const std::string& id) {
  std::lock_guard<std::mutex> lock(dead_devices().mutex);
  return dead_devices().ids.count(id) == 0;
}

void check_device_alive(const std::string& id) {
  if (device_is_alive(id)) return;
  throw Error(
      ErrorCode::kDeviceLost,
      "device \"" + id + "\" has failed; it cannot be used again before the process restarts");
}

}  // namespace indextts2
