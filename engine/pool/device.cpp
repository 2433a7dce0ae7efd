// Devices, through c10's device-independent interface and the CUDA library's entry point.
#include "pool/device.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>

#include "core/device_library.h"
#include "core/error.h"
#include "pool/dead_devices.h"
#include "pool/device_words.h"
#include "pool/numa.h"

namespace indextts2 {
namespace {

constexpr char kStandIn[] = "stand-in:";
constexpr char kCudaLibrary[] = "libindextts2-cuda.so.0";

// What the one look at CUDA found; decided once per process.
struct Cuda {
  const DeviceLibrary* library = nullptr;
  void* handle = nullptr;  // of the library, when that can be used
  std::string problem;
};

// Number of devices by the driver alone, without any CUDA library; 0 without a driver.
int count_driver_devices() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!driver) return 0;
  using Init = int (*)(unsigned);
  using Count = int (*)(int*);
  const auto init = reinterpret_cast<Init>(dlsym(driver, "cuInit"));
  const auto count = reinterpret_cast<Count>(dlsym(driver, "cuDeviceGetCount"));
  int devices = 0;
  if (!init || !count || init(0) != 0 || count(&devices) != 0) return 0;
  return devices;
}

std::string own_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&count_driver_devices), &info) || !info.dli_fname)
    return ".";
  const std::string file = info.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

// Beside the engine (installed), in the build tree seen from the engine, and from a test program.
std::vector<std::string> library_candidates() {
  const std::string folder = own_folder();
  return {folder + "/" + kCudaLibrary, folder + "/cuda/" + kCudaLibrary,
          folder + "/../../engine/cuda/" + kCudaLibrary, kCudaLibrary};
}

Cuda open_cuda() {
  Cuda cuda;
  if (count_driver_devices() == 0) return cuda;
  void* handle = nullptr;
  for (const std::string& path : library_candidates()) {
    if (path.find('/') != std::string::npos && access(path.c_str(), R_OK) != 0) continue;
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle) break;
    const char* reason = dlerror();
    cuda.problem = std::string("the CUDA library cannot be loaded: ") + (reason ? reason : path) +
                   "; install the NVIDIA packages that docs/models.md lists under CUDA";
  }
  if (!handle) return cuda;
  using Entry = const DeviceLibrary* (*)(int);
  const auto entry = reinterpret_cast<Entry>(dlsym(handle, "indextts2_device_library"));
  cuda.library = entry ? entry(kDeviceLibraryAbi) : nullptr;
  cuda.problem.clear();
  if (!cuda.library) {
    cuda.problem = std::string(kCudaLibrary) +
                   " is of another version; install engine and CUDA library together";
  } else if (!cuda.library->usable()) {
    cuda.library = nullptr;
    cuda.problem =
        "LibTorch was used in this process before its CUDA part was loaded; open the engine first";
  }
  if (cuda.library) cuda.handle = handle;
  return cuda;
}

const Cuda& cuda() {
  static const Cuda* const found = new Cuda(open_cuda());  // leaked: it must outlive every worker
  return *found;
}

int num_stand_ins() {
  const char* count = std::getenv("INDEXTTS2_STAND_INS");
  return count ? std::clamp(std::atoi(count), 0, 64) : 0;
}

std::string cpu_name() {
  return std::to_string(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))) + " CPU cores";
}

// Why a CUDA word names nothing.
void explain_missing_cuda(const std::string& word) {
  if (word.compare(0, 4, "cuda") != 0) return;
  if (!cuda_problem().empty()) {
    throw Error(ErrorCode::kLibraryInit,
                "device \"" + word + "\" cannot be used: " + cuda_problem());
  }
  if (count_driver_devices() == 0) {
    throw Error(
        ErrorCode::kLibraryInit,
        "device \"" + word +
            "\" cannot be used: no NVIDIA driver or no GPU on this machine; there is: cpu (" +
            cpu_name() + ")");
  }
}

enum class Failed { kLeftOut, kAsTheyWere };

// `failed`: devices that are out until the process restarts and do not answer any more.
std::vector<Device> cuda_devices(Failed failed) {
  static auto* const answers = new std::map<int, Device>;  // leaked: workers may outlive statics
  static auto* const mutex = new std::mutex;               // guards them
  std::lock_guard<std::mutex> lock(*mutex);
  std::vector<Device> devices;
  const Cuda& found = cuda();
  for (int index = 0; found.library && index < found.library->device_count(); ++index) {
    const std::string id = "cuda:" + std::to_string(index);
    try {
      const DeviceProperties device = found.library->properties(index);
      (*answers)[index] = {id, device.name, device.total_bytes, device.free_bytes,
                           device.compute_capability};
    } catch (const Error&) {
      const bool known = answers->count(index) > 0 && !device_is_alive(id);
      if (failed == Failed::kLeftOut || !known) continue;
    }
    devices.push_back(answers->at(index));
  }
  return devices;
}

std::vector<Device> all_devices(Failed failed) {
  std::vector<Device> devices = cuda_devices(failed);
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t total = page * static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES));
  const uint64_t free = page * static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES));
  for (int i = 0; i < num_stand_ins(); ++i) {
    devices.push_back({kStandIn + std::to_string(i), "a device on the CPU", total, free, 0});
  }
  devices.push_back({"cpu", cpu_name(), total, free, 0});
  return devices;
}

}  // namespace

std::vector<Device> list_devices() { return all_devices(Failed::kLeftOut); }

void* device_symbol(const std::string& device_id, const char* name) {
  return torch_device(device_id) == "cpu" || !cuda().handle ? nullptr : dlsym(cuda().handle, name);
}

std::string cuda_problem() { return cuda().problem; }

std::string torch_device(const std::string& id) {
  return id.compare(0, sizeof kStandIn - 1, kStandIn) == 0 ? "cpu" : id;
}

std::vector<Place> resolve_devices(const std::vector<std::string>& words, int replicas_per_device) {
  // With those that have failed: whoever asks for one learns that it has, not that there is none.
  return places_of(words, all_devices(Failed::kAsTheyWere), replicas_per_device, check_device_alive,
                   explain_missing_cuda);
}

uint64_t memory_used(const std::string& id) {
  const Cuda& found = cuda();
  if (torch_device(id) == "cpu") {
    std::ifstream file("/proc/self/statm");
    uint64_t all = 0, resident = 0;
    file >> all >> resident;
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  if (!found.library || id.rfind("cuda:", 0) != 0) return 0;
  try {
    const DeviceProperties device = found.library->properties(std::stoi(id.substr(5)));
    return device.total_bytes - device.free_bytes;
  } catch (const Error&) {
    return 0;  // a device that failed
  }
}

uint64_t memory_idle(const std::string& id) {
  const c10::Device device(torch_device(id));
  if (device.is_cpu()) return 0;
  try {
    const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return static_cast<uint64_t>(stats.reserved_bytes[kAll].current -
                                 stats.allocated_bytes[kAll].current);
  } catch (const std::exception&) {
    return 0;  // a device that failed, or was never used
  }
}

void free_cached_memory(const std::string& id) {
  const c10::Device device(torch_device(id));
  if (device.is_cpu()) return;
  const c10::DeviceGuard guard(device);
  try {
    c10::getDeviceAllocator(device.type())->emptyCache();
  } catch (const std::exception&) {
    // While a graph is captured on the device LibTorch gives nothing back.
  }
}

namespace {

// "0000:3b:00.0" of CUDA device `index`, by the driver; empty: unknown.
std::string pci_id_of(int index) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!driver) return "";
  using Find = int (*)(char*, int, int);
  const auto find = reinterpret_cast<Find>(dlsym(driver, "cuDeviceGetPCIBusId"));
  char id[32] = {};
  return find && find(id, sizeof id, index) == 0 ? id : "";
}

}  // namespace

struct DeviceScope::Guards {
  ~Guards() {
    stream.reset();
    if (lent) cuda().library->give_back_stream(device, priority_high, *lent);
  }

  c10::InferenceMode inference{true};
  int device = 0;
  bool priority_high = false;
  std::optional<int64_t> lent;
  std::optional<c10::StreamGuard> stream;
};

DeviceScope::DeviceScope(const std::string& device_id, StreamPriority priority)
    : guards_(std::make_unique<Guards>()) {
  const c10::Device device(torch_device(device_id));
  if (device.is_cpu()) return;
  run_on(processors_near(pci_id_of(device.index())));
  guards_->device = device.index();
  guards_->priority_high = priority == StreamPriority::kHigh;
  guards_->lent = cuda().library->lend_stream(guards_->device, guards_->priority_high);
  guards_->stream.emplace(c10::Stream(c10::Stream::UNSAFE, device, *guards_->lent));
}

DeviceScope::~DeviceScope() = default;

}  // namespace indextts2
