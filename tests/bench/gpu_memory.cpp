// Peak memory of the GPUs, from NVML, which is opened at run time: no header and no link is needed.
#include "gpu_memory.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>

namespace indextts2 {
namespace {

struct MemoryInfo {  // nvmlMemory_t
  unsigned long long total, free, used;
};

template <typename Function>
bool find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

}  // namespace

GpuMemory::GpuMemory() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  int (*init)() = nullptr;
  int (*count_of)(unsigned*) = nullptr;
  int (*handle_of)(unsigned, void**) = nullptr;
  if (!library_ || !find(library_, "nvmlInit_v2", &init) ||
      !find(library_, "nvmlDeviceGetCount_v2", &count_of) ||
      !find(library_, "nvmlDeviceGetHandleByIndex_v2", &handle_of) ||
      !find(library_, "nvmlDeviceGetMemoryInfo", &memory_info_) || init() != 0) {
    return;
  }
  unsigned count = 0;
  if (count_of(&count) != 0) return;
  for (unsigned i = 0; i < count; ++i) {
    void* device = nullptr;
    if (handle_of(i, &device) == 0) devices_.push_back(device);
  }
  if (devices_.empty()) return;
  before_ = used();
  sampler_ = std::thread([this] {
    while (!over_) {
      const uint64_t now = used();
      if (now > before_) peak_ = std::max(peak_.load(), now - before_);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
}

GpuMemory::~GpuMemory() {
  over_ = true;
  if (sampler_.joinable()) sampler_.join();
}

uint64_t GpuMemory::used() const {
  uint64_t sum = 0;
  for (void* device : devices_) {
    MemoryInfo info{};
    if (memory_info_(device, &info) == 0) sum += info.used;
  }
  return sum;
}

}  // namespace indextts2
