// What a device library (engine/cuda) tells the engine that opened it with dlopen.
#pragma once

#include <cstdint>
#include <string>

namespace indextts2 {

inline constexpr int kDeviceLibraryAbi = 3;

struct DeviceProperties {
  std::string name;          // as the driver says it
  uint64_t total_bytes = 0;  // memory of the device
  uint64_t free_bytes = 0;
  int compute_capability = 0;  // 10 * major + minor
};

// Thread-safety: safe.
class DeviceLibrary {
 public:
  virtual ~DeviceLibrary() = default;
  virtual int device_count() const = 0;
  // False when LibTorch was used in this process before this library was loaded: its CUDA part is
  // then dead for good.
  virtual bool usable() const = 0;
  // Throws Error{kLibraryInit} when the device does not answer.
  virtual DeviceProperties properties(int index) const = 0;
  // A stream of the device that nobody else uses until it is given back, as c10::Stream numbers it.
  // Throws Error{kDeviceLost} when the device does not answer.
  virtual int64_t lend_stream(int index, bool priority_high) const = 0;
  virtual void give_back_stream(int index, bool priority_high, int64_t stream) const noexcept = 0;
};

}  // namespace indextts2

// The first symbol of a device library; stages/backend.h has the second. nullptr: it speaks another kDeviceLibraryAbi.
extern "C" __attribute__((visibility("default"))) const indextts2::DeviceLibrary*
indextts2_device_library(int abi);
