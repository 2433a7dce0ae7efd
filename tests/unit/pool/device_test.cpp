// Tests of engine/pool/device.cpp: which replicas a list of device words means.
#include "pool/device.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace indextts2 {
namespace {

using Places = std::vector<std::string>;

ErrorCode code_of(const Places& words) {
  try {
    resolve_devices(words, 1);
  } catch (const Error& error) {
    return error.code;
  }
  return ErrorCode::kInternal;
}

Places devices_of(const Places& words, int replicas_per_device) {
  Places ids;
  for (const Place& place : resolve_devices(words, replicas_per_device)) {
    ids.push_back(place.device);
  }
  return ids;
}

bool has_cuda() { return list_devices().size() > 1; }

TEST(Device, ListEndsWithTheCpuAndItsMemory) {
  const std::vector<Device> devices = list_devices();
  ASSERT_FALSE(devices.empty());
  EXPECT_EQ(devices.back().id, "cpu");
  EXPECT_GT(devices.back().total_bytes, 0u);
  EXPECT_FALSE(devices.back().name.empty());
}

TEST(Device, CpuWordsGiveReplicas) {
  EXPECT_EQ(devices_of({"cpu"}, 1), Places({"cpu"}));
  EXPECT_EQ(devices_of({"cpu:3"}, 1), Places(3, "cpu"));
  EXPECT_EQ(devices_of({"cpu:2"}, 2), Places(4, "cpu"));
}

TEST(Device, AutoPrefersCuda) {
  const Places places = devices_of({"auto"}, 1);
  EXPECT_EQ(places.front(), has_cuda() ? "cuda:0" : "cpu");
}

TEST(Device, UnknownWordIsRefusedWithTheListOfDevices) {
  try {
    resolve_devices({"tpu"}, 1);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kUnknownDevice);
    EXPECT_NE(std::string(error.what()).find("\"tpu\""), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("cpu ("), std::string::npos);
  }
}

TEST(Device, BadListsAreSettingsErrors) {
  EXPECT_EQ(code_of({}), ErrorCode::kSettings);
  EXPECT_EQ(code_of({"cpu", "cpu:2"}), ErrorCode::kSettings);
  EXPECT_EQ(code_of({"cpu:0"}), ErrorCode::kSettings);
  EXPECT_EQ(code_of({"cpu:65"}), ErrorCode::kSettings);
  EXPECT_EQ(code_of({"cpu:x"}), ErrorCode::kUnknownDevice);
}

TEST(Device, CudaWithoutADriverSaysSo) {
  if (has_cuda()) {
    EXPECT_EQ(devices_of({"cuda:0"}, 1), Places({"cuda:0"}));
    EXPECT_EQ(code_of({"cuda:999"}), ErrorCode::kUnknownDevice);
  } else {
    EXPECT_EQ(code_of({"cuda:0"}), ErrorCode::kLibraryInit);
  }
}

TEST(Device, ScopeOnTheCpuLeavesTheThreadUsable) {
  const DeviceScope scope("cpu");
  EXPECT_EQ(resolve_devices({"cpu"}, 1).size(), 1u);
}

}  // namespace
}  // namespace indextts2
