// A GPU that really fails: a kernel that ends in a trap leaves its context unusable for good.
#pragma once

#include <dlfcn.h>

#include <string>

namespace indextts2 {

// Breaks the context of CUDA device `index` that the whole process shares, by the driver alone.
// Returns what went wrong; empty: it is broken.
inline std::string break_cuda_device(int index) {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!driver) return "no CUDA driver";
  const auto find = [driver](const char* name) { return dlsym(driver, name); };
  using Get = int (*)(int*, int);
  using Retain = int (*)(void**, int);
  using Use = int (*)(void*);
  using Load = int (*)(void**, const void*);
  using Function = int (*)(void**, void*, const char*);
  using Launch = int (*)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                         unsigned, void*, void**, void**);
  using Wait = int (*)();
  const auto get = reinterpret_cast<Get>(find("cuDeviceGet"));
  const auto retain = reinterpret_cast<Retain>(find("cuDevicePrimaryCtxRetain"));
  const auto push = reinterpret_cast<Use>(find("cuCtxPushCurrent_v2"));
  const auto pop = reinterpret_cast<Use>(find("cuCtxPopCurrent_v2"));
  const auto load = reinterpret_cast<Load>(find("cuModuleLoadData"));
  const auto function = reinterpret_cast<Function>(find("cuModuleGetFunction"));
  const auto launch = reinterpret_cast<Launch>(find("cuLaunchKernel"));
  const auto wait = reinterpret_cast<Wait>(find("cuCtxSynchronize"));
  if (!get || !retain || !push || !pop || !load || !function || !launch || !wait) {
    return "the driver lacks a function";
  }
  constexpr char kTrap[] =
      ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry fail()\n{\n  trap;\n}\n";
  int device = 0;
  void *context = nullptr, *module = nullptr, *kernel = nullptr, *before = nullptr;
  const auto failed = [](const char* call, int status) {
    return std::string(call) + ": " + std::to_string(status);
  };
  if (const int status = get(&device, index)) return failed("cuDeviceGet", status);
  if (const int status = retain(&context, device))
    return failed("cuDevicePrimaryCtxRetain", status);
  if (const int status = push(context)) return failed("cuCtxPushCurrent", status);
  if (const int status = load(&module, kTrap)) return failed("cuModuleLoadData", status);
  if (const int status = function(&kernel, module, "fail")) return failed("the kernel", status);
  const int status = launch(kernel, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr);
  if (status != 0) return failed("cuLaunchKernel", status);
  const int broken = wait();
  pop(&before);
  return broken != 0 ? "" : "the device still answers";
}

}  // namespace indextts2
