// Devices: which there are, which of them a user means, and how a worker thread moves onto one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace indextts2 {

struct Device {
  std::string id;            // "cpu", "cuda:0"
  std::string name;          // as the driver says it
  uint64_t total_bytes = 0;  // memory
  uint64_t free_bytes = 0;
  int compute_capability = 0;  // of a GPU: 10 * major + minor
};

// The devices that can be used. The first call decides for the process whether the CUDA library is loaded: it must come
// before the first tensor operation. Thread-safety: safe. Throws nothing.
std::vector<Device> list_devices();

// A symbol of the library that serves this device; null: the CPU, which has none, or the library lacks it.
// Thread-safety: safe. Throws nothing.
void* device_symbol(const std::string& device_id, const char* name);

// Why CUDA devices are missing from list_devices(); empty when they are not, or when the machine has none.
std::string cuda_problem();

// The device of each replica, in order. `words`: "auto" (every CUDA device, else the CPU), an id, "cuda" (every CUDA device), "cpu:N" (N replicas on the CPU), or a
// device's name; each place is repeated `replicas_per_device` times. "cpu" is not repeated into other places, so that
// ["cuda:0", "cpu"] gives two replicas.
// Throws Error{kSettings} for an empty list or a device named twice, {kUnknownDevice} with the list of what there is, and
// {kLibraryInit} for a CUDA device when the CUDA library cannot be used.
std::vector<std::string> resolve_devices(const std::vector<std::string>& words, int replicas_per_device);

// Of a device's stream: where the device chooses between two, the high one goes first.
enum class StreamPriority { kNormal, kHigh };

// Puts the calling thread onto a device for as long as it lives: inference mode, the device, and a stream of its own.
// Thread-safety: one thread.
class DeviceScope {
 public:
  explicit DeviceScope(const std::string& device_id, StreamPriority priority = StreamPriority::kNormal);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  struct Guards;
  std::unique_ptr<Guards> guards_;
};

}  // namespace indextts2
