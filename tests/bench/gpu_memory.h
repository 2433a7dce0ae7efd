// Peak memory of the GPUs while this object lives, as the driver's NVML library sees it.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace indextts2 {

// Memory in use on all GPUs beyond what was in use at construction (so construct it before the model
// is opened), sampled every 10 ms. Other programs of these GPUs are counted too.
class GpuMemory {
 public:
  GpuMemory();  // without NVML or a GPU: known() is false
  ~GpuMemory();
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;

  bool known() const { return !devices_.empty(); }
  double peak_mib() const { return static_cast<double>(peak_.load()) / (1 << 20); }

 private:
  uint64_t used() const;

  void* library_ = nullptr;
  int (*memory_info_)(void* device, void* info) = nullptr;
  std::vector<void*> devices_;
  uint64_t before_ = 0;
  std::atomic<uint64_t> peak_{0};
  std::atomic<bool> over_{false};
  std::thread sampler_;
};

}  // namespace indextts2
