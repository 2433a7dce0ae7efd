// dlopen of the engine: where it is looked for, and what makes it unusable.
#include "engine_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>

namespace indextts2 {
namespace {

constexpr char kSoname[] = "libindextts2.so.0";
constexpr char kFactorySymbol[] = "indextts2_engine_factory";
constexpr uint64_t kTorchVersion =
    0x020b000000000000;  // 2.11.0, as aoti_torch_abi_version() says it

// Never unloaded: LibTorch does not survive dlclose.
struct OpenLibrary {
  std::mutex mutex;  // guards factory
  const EngineFactory* factory = nullptr;
  std::atomic<pid_t> pid{0};  // process that opened it
};

OpenLibrary& library() {
  static OpenLibrary* const instance = new OpenLibrary;  // outlives every static destructor
  return *instance;
}

std::string version_text(uint64_t version) {
  char text[32];
  std::snprintf(text, sizeof text, "%u.%u.%u", static_cast<unsigned>(version >> 56),
                static_cast<unsigned>(version >> 48 & 0xff),
                static_cast<unsigned>(version >> 40 & 0xff));
  return text;
}

// Two LibTorchs in one process share a SONAME or register their operators twice: both end in a
// crash.
void refuse_other_torch() {
  void* torch = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (!torch) return;
  auto version = reinterpret_cast<uint64_t (*)()>(dlsym(torch, "aoti_torch_abi_version"));
  uint64_t found = version ? version() : 0;
  dlclose(torch);
  if (found == kTorchVersion) return;
  std::string name = version ? version_text(found) : "older than 2.6";
  throw Error(ErrorCode::kLibraryInit,
              "This process has already loaded LibTorch " + name + ", the speech engine needs " +
                  version_text(kTorchVersion) +
                  "; run it in a process of its own, or give both the same LibTorch.",
              "libtorch_cpu.so: aoti_torch_abi_version() is not " + std::to_string(kTorchVersion));
}

std::vector<std::string> library_places() {
  if (engine_is_overridden()) return {std::getenv(kEngineVariable)};
  std::vector<std::string> places;
  std::string folder = plugin_folder();
  if (!folder.empty()) {
    places.push_back(folder + "/../engine/" + kSoname);
    places.push_back(folder + "/../indextts2/" + kSoname);
  }
  places.push_back(kSoname);
  return places;
}

void* open_first(const std::vector<std::string>& places) {
  std::string tried;
  for (const std::string& place : places) {
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) return handle;
    const char* reason = dlerror();
    tried += (tried.empty() ? "" : "; ") + std::string(reason ? reason : place.c_str());
  }
  throw Error(ErrorCode::kLibraryInit,
              "The speech engine library could not be opened. Tried: " + tried +
                  ". Install it, or name it in " + kEngineVariable + ".",
              tried);
}

const EngineFactory* open_factory() {
  refuse_other_torch();
  void* handle = open_first(library_places());
  auto entry = reinterpret_cast<decltype(&indextts2_engine_factory)>(dlsym(handle, kFactorySymbol));
  Dl_info info{};
  std::string path = entry && dladdr(reinterpret_cast<void*>(entry), &info) && info.dli_fname
                         ? info.dli_fname
                         : library_places().front();
  if (!entry) {
    throw Error(ErrorCode::kLibraryInit,
                path + " is not a speech engine: it has no symbol " + kFactorySymbol + ".");
  }
  const EngineFactory* factory = entry(kEngineAbi);
  if (!factory) {
    throw Error(ErrorCode::kLibraryInit,
                path + " does not speak interface version " + std::to_string(kEngineAbi) +
                    " of this plugin; install plugin and engine of the same release.");
  }
  return factory;
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

}  // namespace

bool engine_is_overridden() {
  const char* path = std::getenv(kEngineVariable);
  return path && *path;
}

const EngineFactory& open_engine_library() {
  OpenLibrary& open = library();
  const pid_t opener = open.pid;
  if (opener != 0 && opener != getpid()) {  // before the lock, which the parent may have held
    throw Error(ErrorCode::kLibraryInit,
                "This process was forked from one that uses the speech engine, which does not work "
                "in a fork; fork first, or start a new program.");
  }
  std::lock_guard<std::mutex> lock(open.mutex);
  if (!open.factory) {
    open.factory = open_factory();
    open.pid = getpid();
  }
  return *open.factory;
}

std::string plugin_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<void*>(&plugin_folder), &info) || !info.dli_fname) return {};
  std::error_code failed;
  std::filesystem::path file = std::filesystem::absolute(info.dli_fname, failed);
  return failed ? std::string() : file.parent_path().string();
}

std::vector<std::string> bundled_model_places() {
  std::vector<std::string> places;
  std::string folder = plugin_folder();
  if (!folder.empty()) {
    for (const char* below :
         {"/../../models/compact-en", "/../../../share/indextts2/models/compact-en",
          "/../../share/indextts2/models/compact-en", "/../../../share/indextts2/compact-en"}) {
      places.push_back(std::filesystem::path(folder + below).lexically_normal().string());
    }
  }
  places.push_back(INDEXTTS2_DATADIR "/models/compact-en");
  return places;
}

std::string find_model(const std::string& model_path) {
  if (!model_path.empty()) {
    // A test engine may give other names than folders a meaning.
    if (engine_is_overridden()) return model_path;
    if (!is_folder(model_path)) {
      bool exists = access(model_path.c_str(), F_OK) == 0;
      throw Error(exists ? ErrorCode::kOpenRead : ErrorCode::kNotFound,
                  "model-path: " + model_path + (exists ? " is not a folder" : " does not exist") +
                      "; expected the folder with config.yaml and the checkpoints.");
    }
    if (access(model_path.c_str(), R_OK | X_OK) != 0) {
      throw Error(ErrorCode::kOpenRead, "model-path: the folder " + model_path +
                                            " cannot be read; check its permissions.");
    }
    return model_path;
  }
  std::string tried;
  for (const std::string& place : bundled_model_places()) {
    if (is_folder(place)) return place;
    tried += (tried.empty() ? "" : ", ") + place;
  }
  throw Error(ErrorCode::kSettings,
              "model-path is not set and the bundled voice was not found in: " + tried +
                  ". Set model-path to a model folder.");
}

}  // namespace indextts2
