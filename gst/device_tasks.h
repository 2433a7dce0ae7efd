// Devices that come and go while the element runs: the actions, and what is told of it.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "indextts2/engine.h"

namespace indextts2 {

// Posts what happens to an engine's devices on behalf of `element`, from any thread, as long as the
// element lives: element messages indextts2/device-lost, device-loaded, device-unloaded, and a
// WARNING for a device that was lost while others go on. With the last one, the ERROR of the
// segment that finds no device is enough.
std::function<void(const DeviceEvent&)> device_event_poster(GstElement* element);

// Loads and unloads devices on threads of its own, which nobody waits for: PROGRESS messages
// "load-device" and "unload-device" with the device in their text tell the end, and a WARNING why
// it failed. Thread-safety: safe.
class DeviceTasks {
 public:
  explicit DeviceTasks(GstElement* element) : element_(element) {}
  ~DeviceTasks() { cancel(); }
  // False: there is no engine.
  bool load(std::shared_ptr<Engine> engine, const std::string& device);
  bool unload(std::shared_ptr<Engine> engine, const std::string& device);
  // Gives loads up that still run.
  void cancel();

 private:
  using Stop = std::shared_ptr<std::atomic<bool>>;
  Stop stop() const;

  GstElement* element_;  // owns this
  mutable std::mutex mutex_;
  Stop stop_ = std::make_shared<std::atomic<bool>>(false);  // guarded by mutex_
};

}  // namespace indextts2
