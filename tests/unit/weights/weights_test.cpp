// Weights: names and shapes, types, folding of weight norm, NaN, progress and stop.
#include "weights/weights.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "support/checkpoint_writer.h"
#include "support/temp_folder.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

// One tensor of a safetensors file.
struct Item {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

class WeightsTest : public testing::Test {
 protected:
  Weights open(const std::vector<Item>& items, WeightsOptions options = {}) {
    std::string header, data;
    for (const Item& item : items) {
      std::string shape;
      for (const int64_t size : item.shape)
        shape += (shape.empty() ? "" : ",") + std::to_string(size);
      header += (header.empty() ? "{\"" : ",\"") + item.name + R"(":{"dtype":")" + item.dtype +
                R"(","shape":[)" + shape + R"(],"data_offsets":[)" + std::to_string(data.size()) +
                "," + std::to_string(data.size() + item.bytes.size()) + "]}";
      data += item.bytes;
    }
    return Weights(
        open_checkpoint(folder_.write("w.safetensors", safetensors_file(header + "}", data))),
        std::move(options));
  }
  TempFolder folder_;
};

Item floats(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
  return {name, "F32", std::move(shape), bytes_of(values)};
}

std::vector<float> values(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous().to(at::kFloat);
  return {dense.const_data_ptr<float>(), dense.const_data_ptr<float>() + dense.numel()};
}

TEST_F(WeightsTest, TakesByNameAndShape) {
  const Weights root = open({floats("gpt.h.3.ln_1.weight", {2, 2}, {1, 2, 3, 4})});
  const Weights layer = root.scope("gpt").scope("h", 3);
  const at::Tensor tensor = layer.take("ln_1.weight", {2, kAny});
  EXPECT_EQ(values(tensor), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(layer.has("ln_1.weight"));
  EXPECT_FALSE(layer.has("ln_1"));
  EXPECT_TRUE(layer.has_scope("ln_1"));
  EXPECT_FALSE(root.has_scope("gp"));
  EXPECT_EQ(root.scope("").shape("gpt.h.3.ln_1.weight"), (std::vector<int64_t>{2, 2}));
  EXPECT_TRUE(throws_error(
      [&] {
        layer.take("ln_1.weight", {3, kAny});
      },
      ErrorCode::kModel,
      {"weights: gpt.h.3.ln_1.weight: expected [3, any], got [2, 2]", root.path()}));
  EXPECT_TRUE(
      throws_error([&] { layer.take("ln_1.weight", {4}); }, ErrorCode::kModel, {"expected [4]"}));
  EXPECT_TRUE(throws_error([&] { layer.take("ln_1.bias", {2}); }, ErrorCode::kModel,
                           {"gpt.h.3.ln_1.bias", "missing", root.path()}));
}

// Of this process, from /proc/self/status: "VmRSS:", "VmHWM:" (the peak).
uint64_t memory(const std::string& field) {
  std::ifstream file("/proc/self/status");
  std::string word;
  uint64_t kilobytes = 0;
  while (file >> word && word != field) {
  }
  file >> kilobytes;
  return kilobytes << 10;
}

// Four devices that have no memory here load at the same time: what the host needs beside them is
// the mapped file, once.
TEST_F(WeightsTest, DevicesThatLoadTogetherShareOneCopyOfTheFile) {
  constexpr int kDevices = 4, kTensors = 16;
  constexpr int64_t kElements = 1 << 20;
  constexpr uint64_t kBytes = uint64_t{kTensors} * kElements * sizeof(float);
  const Weights first = [&] {
    std::vector<Item> items;
    for (int i = 0; i < kTensors; ++i) {
      items.push_back(floats("w." + std::to_string(i), {1024, kElements / 1024},
                             std::vector<float>(kElements, 0.5f)));
    }
    return open(items);
  }();
  const std::shared_ptr<const Checkpoint> file = open_checkpoint(first.path());
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts anew
  const uint64_t before = memory("VmRSS:");
  std::atomic<int> taken{0};
  std::vector<std::thread> devices;
  for (int device = 0; device < kDevices; ++device) {
    devices.emplace_back([&] {
      const Weights weights(file, {at::Device(at::kMeta), at::kHalf, {}, {}});
      for (int i = 0; i < kTensors; ++i) {
        taken += weights.take("w." + std::to_string(i), {kAny, kAny}).numel() == kElements;
      }
    });
  }
  for (std::thread& device : devices) device.join();
  EXPECT_EQ(taken, kDevices * kTensors);
  const uint64_t peak = memory("VmHWM:");
  EXPECT_GT(peak, before);
  EXPECT_LT(peak, before + kBytes + kBytes / 4) << "before: " << before;
}

TEST_F(WeightsTest, CountsScopesUpToTheFirstGap) {
  const Weights root =
      open({floats("h.0.w", {1}, {1}), floats("h.1.w", {1}, {1}), floats("h.10.w", {1}, {1}),
            floats("h.3.w", {1}, {1}), floats("h.x", {1}, {1})});
  EXPECT_EQ(root.count("h"), 2);
  EXPECT_EQ(root.count("none"), 0);
}

TEST_F(WeightsTest, CastsFloatsAndKeepsIntegers) {
  WeightsOptions options;
  options.dtype = at::kBFloat16;
  const Weights root = open({{"half", "F16", {2}, std::string("\x00\x3c\x00\xc0", 4)},
                             floats("float", {1}, {1.5F}),
                             {"count", "I64", {}, bytes_of<int64_t>({1234567})}},
                            options);
  EXPECT_EQ(root.take("half", {2}).scalar_type(), at::kBFloat16);
  EXPECT_EQ(values(root.take("half", {2})), (std::vector<float>{1, -2}));
  EXPECT_EQ(root.take_float("half", {2}).scalar_type(), at::kFloat);
  EXPECT_EQ(root.take("float", {1}).scalar_type(), at::kBFloat16);
  EXPECT_EQ(root.take("count", {}).scalar_type(), at::kLong);
  EXPECT_EQ(root.take_float("count", {}).item<int64_t>(), 1234567);
}

TEST_F(WeightsTest, MakesStridedTensorsContiguousAndOwned) {
  const std::string path =
      folder_.write("w.pth", torch_file(pickle::tensor({"FloatStorage", "0", 6, 0, {3, 2}, {1, 3}}),
                                        {bytes_of<float>({0, 1, 2, 3, 4, 5})}));
  const auto checkpoint = open_checkpoint(path);
  const at::Tensor tensor = Weights(checkpoint, {}).take("", {3, 2});
  EXPECT_TRUE(tensor.is_contiguous());
  EXPECT_NE(tensor.const_data_ptr(), static_cast<const void*>(checkpoint->find("")->data));
  EXPECT_EQ(values(tensor), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST_F(WeightsTest, RefusesNanInEveryType) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Weights root = open({floats("f32", {2}, {1, -nan}),
                             {"f64", "F64", {1}, bytes_of<double>({nan})},
                             {"f16", "F16", {1}, std::string("\x01\x7c", 2)},
                             {"bf16", "BF16", {1}, std::string("\x81\xff", 2)},
                             floats("infinite", {2}, {infinity, -infinity}),
                             {"ints", "I32", {1}, bytes_of<int32_t>({-1})}});
  for (const char* name : {"f32", "f64", "f16", "bf16"}) {
    EXPECT_TRUE(throws_error([&] { root.take(name, {kAny}); }, ErrorCode::kModel,
                             {name, "NaN", root.path()}));
  }
  EXPECT_EQ(root.take("infinite", {2}).numel(), 2);
  EXPECT_EQ(root.take("ints", {1}).item<int32_t>(), -1);
}

TEST_F(WeightsTest, FindsNanAnywhereInALargeTensor) {
  for (const size_t place : {size_t{0}, size_t{1} << 20, (size_t{3} << 20) - 1}) {
    std::vector<float> many(size_t{3} << 20, 1.0F);
    many[place] = std::numeric_limits<float>::quiet_NaN();
    const Weights root = open({floats("w", {1, 3, 1 << 20}, many)});
    EXPECT_TRUE(throws_error(
        [&] {
          root.take("w", {1, 3, 1 << 20});
        },
        ErrorCode::kModel, {"NaN"}))
        << place;
  }
}

TEST_F(WeightsTest, FoldsWeightNorm) {
  const std::vector<float> direction = {3, 4, 0, 5, 12, 0};
  const std::vector<float> expected = {6,  8,   0,
                                       -5, -12, 0};  // rows scaled to the lengths 10 and -13
  const Weights root = open({floats("old.weight_v", {2, 3, 1}, direction),
                             floats("old.weight_g", {2, 1, 1}, {10, -13}),
                             floats("new.parametrizations.weight.original1", {2, 3, 1}, direction),
                             floats("new.parametrizations.weight.original0", {2, 1, 1}, {10, -13}),
                             floats("folded.weight", {2, 3, 1}, expected)});
  for (const char* name : {"old", "new", "folded"}) {
    const Weights scope = root.scope(name);
    EXPECT_EQ(scope.normed_shape(), (std::vector<int64_t>{2, 3, 1}));
    const std::vector<float> got = values(scope.take_normed({2, kAny, 1}));
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6) << name;
    EXPECT_TRUE(throws_error(
        [&] {
          scope.take_normed({2, 4, 1});
        },
        ErrorCode::kModel, {name, "[2, 4, 1]"}));
  }
  EXPECT_TRUE(root.unused({}).empty());
}

TEST_F(WeightsTest, RefusesBrokenWeightNorm) {
  const Weights zero = open({floats("weight_v", {1, 2}, {0, 0}), floats("weight_g", {1, 1}, {1})});
  EXPECT_TRUE(throws_error(
      [&] {
        zero.take_normed({1, 2});
      },
      ErrorCode::kModel, {"weight", "NaN"}));
  const Weights no_gain = open({floats("c.weight_v", {1, 2}, {1, 0})});
  EXPECT_TRUE(throws_error(
      [&] {
        no_gain.scope("c").take_normed({1, 2});
      },
      ErrorCode::kModel, {"c.weight_g", "missing"}));
  const Weights wrong_gain =
      open({floats("weight_v", {1, 2}, {1, 0}), floats("weight_g", {2}, {1, 1})});
  EXPECT_TRUE(throws_error(
      [&] {
        wrong_gain.take_normed({1, 2});
      },
      ErrorCode::kModel, {"weight_g", "expected [1, 1], got [2]"}));
}

TEST_F(WeightsTest, ListsWhatNobodyTook) {
  const Weights root =
      open({floats("a.w", {1}, {1}), floats("a.extra", {1}, {1}), floats("ab", {1}, {1}),
            floats("h.0.attn.bias", {1}, {1}), floats("h.1.attn.bias", {1}, {1}),
            floats("h.1.attn.other", {1}, {1})});
  const Weights copy = root;
  copy.scope("a").take("w", {1});
  EXPECT_EQ(root.unused({}).size(), 5u);
  EXPECT_EQ(root.unused({"a", "h.*.attn.bias"}),
            (std::vector<std::string>{"ab", "h.1.attn.other"}));
  EXPECT_EQ(root.scope("h").unused({"*.attn.bias"}), std::vector<std::string>{"h.1.attn.other"});
  EXPECT_EQ(root.scope("h").unused({"h.1"}), std::vector<std::string>{"h.0.attn.bias"});
  EXPECT_EQ(root.unused({"h.", "a", "ab"}), std::vector<std::string>{});
}

TEST_F(WeightsTest, ReportsEveryByteOnce) {
  uint64_t bytes = 0;
  WeightsOptions options;
  options.progress = [&](uint64_t more) { bytes += more; };
  options.dtype = at::kHalf;
  const Weights root = open({floats("big", {3, 700000}, std::vector<float>(2100000, 1)),
                             {"count", "I64", {2}, bytes_of<int64_t>({1, 2})},
                             floats("n.weight_v", {1, 2}, {1, 0}),
                             floats("n.weight_g", {1, 1}, {1})},
                            options);
  root.take("big", {3, 700000});
  EXPECT_EQ(bytes, 2100000u * 4);
  root.take("count", {2});
  EXPECT_EQ(bytes, 2100000u * 4 + 16);
  root.scope("n").take_normed({1, 2});
  EXPECT_EQ(bytes, 2100000u * 4 + 16 + 12);
}

TEST_F(WeightsTest, StopsWithinALargeTensor) {
  StopSource stop;
  uint64_t bytes = 0;
  WeightsOptions options;
  options.stop = stop.token();
  options.progress = [&](uint64_t more) {
    bytes += more;
    stop.request_stop();
  };
  const Weights root =
      open({floats("big", {1 << 23}, std::vector<float>(size_t{1} << 23, 1))}, options);
  EXPECT_TRUE(throws_error([&] { root.take("big", {1 << 23}); }, ErrorCode::kCancelled, {}));
  EXPECT_GT(bytes, 0u);
  EXPECT_LE(bytes, uint64_t{8} << 20);
  EXPECT_EQ(root.unused({}).size(), 1u);
  EXPECT_TRUE(throws_error([&] { root.take("big", {1 << 23}); }, ErrorCode::kCancelled, {}));
}

}  // namespace
}  // namespace indextts2
