// What lists of device words mean on machines that this one is not.
#include "pool/device_words.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "pool/dead_devices.h"

namespace indextts2 {
namespace {

const std::vector<Device> kMixed = {{"cuda:0", "Tesla T4", 1, 1},
                                    {"cuda:1", "NVIDIA H100 80GB HBM3", 1, 1},
                                    {"cuda:2", "Tesla T4", 1, 1},
                                    {"cpu", "8 CPU cores", 1, 1}};

// "cuda:0 cuda:1@fp16".
std::string places(const std::vector<std::string>& words, int replicas = 1,
                   const std::vector<Device>& devices = kMixed) {
  std::string text;
  for (const Place& place :
       places_of(words, devices, replicas, check_device_alive, [](const std::string&) {})) {
    text += (text.empty() ? "" : " ") + place.device;
    if (!place.precision.empty()) text += "@" + place.precision;
  }
  return text;
}

Error refusal(const std::vector<std::string>& words) {
  try {
    ADD_FAILURE() << places(words);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kInternal, "");
}

TEST(DeviceWords, IdsNamesAndPatterns) {
  EXPECT_EQ(places({"cuda:1"}), "cuda:1");
  EXPECT_EQ(places({"cuda:*"}), "cuda:0 cuda:1 cuda:2");
  EXPECT_EQ(places({"cuda"}), "cuda:0 cuda:1 cuda:2");
  EXPECT_EQ(places({"T4"}), "cuda:0 cuda:2");
  EXPECT_EQ(places({"h100"}), "cuda:1");
  EXPECT_EQ(places({"nvidia*hbm3"}), "cuda:1");
  EXPECT_EQ(places({"T4", "cuda:1"}), "cuda:0 cuda:2 cuda:1");
  EXPECT_EQ(places({"auto"}), "cuda:0 cuda:1 cuda:2");
  EXPECT_EQ(places({"auto"}, 1, {kMixed.back()}), "cpu");
}

TEST(DeviceWords, NumbersOfReplicas) {
  EXPECT_EQ(places({"cuda:0", "cpu"}), "cuda:0 cpu");
  EXPECT_EQ(places({"cuda:0", "cpu:2"}, 2), "cuda:0 cuda:0 cpu cpu cpu cpu");
}

TEST(DeviceWords, PrecisionOfItsOwn) {
  EXPECT_EQ(places({"cuda:1@bf16", "T4@FP16", "cpu"}), "cuda:1@bf16 cuda:0@fp16 cuda:2@fp16 cpu");
  EXPECT_EQ(refusal({"cuda:0@fp8"}).code, ErrorCode::kSettings);
}

TEST(DeviceWords, DuplicatesAreRefusedWithTheListOfWhatThereIs) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"cuda:0", "T4"}, {"cuda:*", "cuda:2"}, {"cpu", "cpu:2"}, {"cuda:1@fp16", "cuda:1"}}) {
    const Error error = refusal(words);
    EXPECT_EQ(error.code, ErrorCode::kSettings);
    EXPECT_NE(std::string(error.what()).find("there is: cuda:0 (Tesla T4), cuda:1"),
              std::string::npos)
        << error.what();
  }
}

TEST(DeviceWords, UnknownOnesAreRefusedWithTheListOfWhatThereIs) {
  for (const char* word : {"cuda:3", "A100", "cuda:x", "", "cpu*x", "cuda:1x"}) {
    const Error error = refusal({word});
    EXPECT_EQ(error.code, ErrorCode::kUnknownDevice) << word;
    EXPECT_NE(std::string(error.what()).find("cuda:2 (Tesla T4), cpu (8 CPU cores)"),
              std::string::npos);
  }
  EXPECT_EQ(refusal({}).code, ErrorCode::kSettings);
}

TEST(DeviceWords, DevicesThatHaveFailedStayOut) {
  mark_device_dead("cuda:2");
  EXPECT_EQ(places({"cuda:*"}), "cuda:0 cuda:1");
  EXPECT_EQ(places({"auto"}), "cuda:0 cuda:1");
  EXPECT_EQ(places({"T4"}), "cuda:0");
  EXPECT_EQ(refusal({"cuda:2"}).code, ErrorCode::kDeviceLost);
  mark_device_dead("cuda:0");
  EXPECT_EQ(refusal({"T4"}).code, ErrorCode::kDeviceLost);  // not: there is none
}

}  // namespace
}  // namespace indextts2
