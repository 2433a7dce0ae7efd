// Devices, through c10's device-independent interface and the CUDA library's entry point.
#include "pool/device.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "core/device_library.h"
#include "core/error.h"

namespace indextts2 {
namespace {

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

std::string cpu_name() {
  return std::to_string(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))) + " CPU cores";
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string describe(const std::vector<Device>& devices) {
  std::string text;
  for (const Device& device : devices) {
    text += (text.empty() ? "" : ", ") + device.id + " (" + device.name + ")";
  }
  return text;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

// The number behind "cpu:", or nothing when `word` is something else.
std::optional<int> cpu_replicas(const std::string& word) {
  if (word == "cpu") return 1;
  if (!starts_with(word, "cpu:") || word.size() == 4 || word.size() > 8 ||
      !std::all_of(word.begin() + 4, word.end(), [](unsigned char c) { return std::isdigit(c); })) {
    return std::nullopt;
  }
  return std::stoi(word.substr(4));
}

// Ids of the devices that one word means.
std::vector<std::string> match(const std::string& word, const std::vector<Device>& devices) {
  std::vector<std::string> ids;
  const std::string wanted = lower(word);
  for (const Device& device : devices) {
    const bool is_cuda = device.id != "cpu";
    const bool all_cuda = wanted == "cuda" || wanted == "cuda:*";
    const bool by_name = is_cuda && !starts_with(wanted, "cuda") && wanted != "cpu" &&
                         lower(device.name).find(wanted) != std::string::npos;
    if (device.id == wanted || (is_cuda && all_cuda) || by_name) ids.push_back(device.id);
  }
  return ids;
}

}  // namespace

std::vector<Device> list_devices() {
  std::vector<Device> devices;
  const Cuda& found = cuda();
  for (int index = 0; found.library && index < found.library->device_count(); ++index) {
    try {
      const DeviceProperties device = found.library->properties(index);
      devices.push_back({"cuda:" + std::to_string(index), device.name, device.total_bytes,
                         device.free_bytes, device.compute_capability});
    } catch (const Error&) {
      // A device that does not answer is not one that can be used.
    }
  }
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  devices.push_back({"cpu", cpu_name(), page * static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)),
                     page * static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)), 0});
  return devices;
}

void* device_symbol(const std::string& device_id, const char* name) {
  return device_id == "cpu" || !cuda().handle ? nullptr : dlsym(cuda().handle, name);
}

std::string cuda_problem() { return cuda().problem; }

std::vector<std::string> resolve_devices(const std::vector<std::string>& words,
                                         int replicas_per_device) {
  if (words.empty())
    throw Error(ErrorCode::kSettings, "devices: the list is empty; name at least one, or \"auto\"");
  const std::vector<Device> devices = list_devices();
  std::vector<std::string> places, seen;
  for (const std::string& word : words) {
    std::vector<std::string> ids;
    int repeat = replicas_per_device;
    if (word == "auto") {
      ids = devices.size() > 1 ? match("cuda", devices) : std::vector<std::string>{"cpu"};
    } else if (const std::optional<int> replicas = cpu_replicas(word)) {
      if (*replicas < 1 || *replicas > 64) {
        throw Error(ErrorCode::kSettings,
                    "devices: \"" + word + "\": expected 1 to 64 CPU replicas");
      }
      ids = {"cpu"};
      repeat *= *replicas;
    } else {
      ids = match(word, devices);
    }
    if (ids.empty()) {
      const std::string there = "; there is: " + describe(devices);
      if (starts_with(word, "cuda") && !cuda_problem().empty()) {
        throw Error(ErrorCode::kLibraryInit,
                    "device \"" + word + "\" cannot be used: " + cuda_problem());
      }
      if (starts_with(word, "cuda") && count_driver_devices() == 0) {
        throw Error(ErrorCode::kLibraryInit,
                    "device \"" + word +
                        "\" cannot be used: no NVIDIA driver or no GPU on this machine" + there);
      }
      throw Error(ErrorCode::kUnknownDevice, "unknown device \"" + word + "\"" + there);
    }
    for (const std::string& id : ids) {
      if (std::find(seen.begin(), seen.end(), id) != seen.end()) {
        throw Error(ErrorCode::kSettings,
                    "devices: " + id + " is named twice (again by \"" + word +
                        "\"); use replicas-per-device or cpu:N for several replicas");
      }
      seen.push_back(id);
      places.insert(places.end(), static_cast<size_t>(std::max(1, repeat)), id);
    }
  }
  return places;
}

struct DeviceScope::Guards {
  c10::InferenceMode inference{true};
  std::optional<c10::StreamGuard> stream;
};

DeviceScope::DeviceScope(const std::string& device_id, StreamPriority priority)
    : guards_(std::make_unique<Guards>()) {
  const c10::Device device(device_id);
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guards_->stream.emplace(guard.getStreamFromGlobalPool(device, priority == StreamPriority::kHigh));
}

DeviceScope::~DeviceScope() = default;

}  // namespace indextts2
