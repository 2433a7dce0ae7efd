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

// Where a replica runs.
struct Place {
  std::string device;     // id
  std::string precision;  // "fp16"; empty: that of the engine
};

// The place of each replica, in order. `words`: "auto" (every usable CUDA device, else the CPU), an
// id, "cuda:*" or "cuda" (every CUDA device), "cpu:N" (N replicas on the CPU), a device's name or a
// part of it; '*' stands for any letters. "@fp16" behind a word gives its devices a precision of
// their own. Each place is repeated `replicas_per_device` times; "cpu" is not repeated into other
// places, so that ["cuda:0", "cpu"] gives two replicas.
// Throws Error{kSettings} for an empty list, a device named twice or an unknown precision,
// {kUnknownDevice} with the list of what there is, {kDeviceLost} for a device that has failed in
// this process, and {kLibraryInit} for a CUDA device when the CUDA library cannot be used.
std::vector<Place> resolve_devices(const std::vector<std::string>& words, int replicas_per_device);

// Note [Stand-ins]
// INDEXTTS2_STAND_INS=N adds the devices "stand-in:0" to "stand-in:N-1": devices like any other to the pool, with weights,
// replicas and a life of their own, that compute on the CPU. So what several devices do is tested where there is no GPU.
//
// The device that LibTorch computes on for `id`: "cpu" for a stand-in, else the same.
std::string torch_device(const std::string& id);

// Bytes in use on a device, by everybody; of "cpu": by this process. 0: unknown.
uint64_t memory_used(const std::string& id);

// Bytes of these that LibTorch keeps for later; of "cpu": 0. Thread-safety: safe. Throws nothing.
uint64_t memory_idle(const std::string& id);

// Gives memory that LibTorch keeps for later back to the device; nothing while another thread
// captures a graph there. Waits for all that the device has to do. Thread-safety: safe. Throws nothing.
void free_cached_memory(const std::string& id);

// Of a device's stream: where the device chooses between two, the high one goes first.
enum class StreamPriority { kNormal, kHigh };

// Puts the calling thread onto a device for as long as it lives: inference mode, the device, and a stream of its own; for
// good onto the processors of the device's NUMA node.
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
