// safetensors files, whole and in parts: what is read, and that nothing damaged does more than
// throw.
#include <gtest/gtest.h>

#include <random>

#include "support/checkpoint_writer.h"
#include "support/temp_folder.h"
#include "weights/checkpoint.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

const char kHeader[] =
    R"({"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("n":{"dtype":"I64","shape":[],"data_offsets":[24,32]}})";
const std::string kData = bytes_of<float>({0, 1, 2, 3, 4, 5}) + bytes_of<int64_t>({9});

class Safetensors : public testing::Test {
 protected:
  std::shared_ptr<const Checkpoint> open(const std::string& content) {
    return open_checkpoint(folder_.write("model.safetensors", content));
  }
  testing::AssertionResult refuses(const std::string& header,
                                   const std::vector<std::string>& parts) {
    return throws_error([&] { open(safetensors_file(header, kData)); }, ErrorCode::kOpenRead,
                        parts);
  }
  TempFolder folder_;
};

TEST_F(Safetensors, ReadsTensors) {
  const auto file = open(safetensors_file(kHeader, kData));
  EXPECT_EQ(file->names().size(), 2u);
  EXPECT_EQ(file->tensor("a.weight").select(0, 1).select(0, 2).item<float>(), 5);
  EXPECT_EQ(file->tensor("n").dim(), 0);
  EXPECT_EQ(file->tensor("n").item<int64_t>(), 9);
  EXPECT_EQ(file->find("__metadata__"), nullptr);
}

TEST_F(Safetensors, ReadsDataAtAnyAddress) {
  for (int spaces = 0; spaces < 8; ++spaces) {
    const auto file = open(safetensors_file(kHeader + std::string(spaces, ' '), kData));
    const at::Tensor tensor = file->tensor("a.weight");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % sizeof(float), 0u);
    EXPECT_EQ(tensor.sum().item<float>(), 15);
  }
}

TEST_F(Safetensors, ReadsAllTypes) {
  const struct {
    const char* name;
    at::ScalarType dtype;
    std::string bytes;
  } cases[] = {{"F64", at::kDouble, bytes_of<double>({2})},
               {"F16", at::kHalf, std::string("\x00\x40", 2)},
               {"BF16", at::kBFloat16, std::string("\x00\x40", 2)},
               {"I32", at::kInt, bytes_of<int32_t>({2})},
               {"I16", at::kShort, bytes_of<int16_t>({2})},
               {"I8", at::kChar, "\x02"},
               {"U8", at::kByte, "\x02"}};
  for (const auto& one : cases) {
    const auto file = open(safetensors_file(R"({"x":{"dtype":")" + std::string(one.name) +
                                                R"(","shape":[1],"data_offsets":[0,)" +
                                                std::to_string(one.bytes.size()) + "]}}",
                                            one.bytes));
    EXPECT_EQ(file->find("x")->dtype, one.dtype);
    EXPECT_EQ(file->tensor("x").item<float>(), 2) << one.name;
  }
}

TEST_F(Safetensors, RefusesWrongHeaders) {
  const auto tensor = [](const std::string& fields) { return R"({"x":{)" + fields + "}}"; };
  EXPECT_TRUE(refuses(R"({"x":)", {"not JSON"}));
  EXPECT_TRUE(refuses(R"({"x":3})", {"'x'", "dtype"}));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[6])"), {"data_offsets"}));
  EXPECT_TRUE(
      refuses(tensor(R"("dtype":"F8_E4M3","shape":[6],"data_offsets":[0,6])"), {"F8_E4M3"}));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[-6],"data_offsets":[0,24])"), {"sizes"}));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[6.0],"data_offsets":[0,24])"), {"sizes"}));
  EXPECT_TRUE(
      refuses(tensor(R"("dtype":"F32","shape":[7],"data_offsets":[0,24])"), {"[7]", "24 bytes"}));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[6],"data_offsets":[24,0])"), {"'x'"}));
  EXPECT_TRUE(
      refuses(tensor(R"("dtype":"F32","shape":[6],"data_offsets":[16,40])"), {"truncated", "'x'"}));
  EXPECT_TRUE(refuses(
      tensor(R"("dtype":"F32","shape":[6],"data_offsets":[0,99999999999999999999])"), {"offsets"}));
  EXPECT_TRUE(refuses(
      tensor(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), {"'x'"}));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,0])"),
                      {"sizes"}));
  EXPECT_TRUE(refuses(R"({"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                      R"("x":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})",
                      {"'x'", "twice"}));
  EXPECT_TRUE(refuses(R"({"x":)" + std::string(100000, '[') + std::string(100000, ']') + "}",
                      {"nested too deep"}));
}

TEST_F(Safetensors, RefusesTheFileCutAnywhere) {
  const std::string good = safetensors_file(kHeader, kData);
  for (size_t length = 1; length < good.size(); ++length) {
    EXPECT_TRUE(throws_error([&] { open(good.substr(0, length)); }, ErrorCode::kOpenRead,
                             {"model.safetensors", "download"}))
        << length;
  }
}

TEST_F(Safetensors, SurvivesRandomChanges) {
  const std::string good = safetensors_file(kHeader, kData);
  std::mt19937 random(3);
  for (int round = 0; round < 4000; ++round) {
    std::string bad = good;
    for (uint32_t change = 0; change <= random() % 3; ++change) {
      const char values[] = {'\0', '9', '"', '[', '}', '-', static_cast<char>(random())};
      bad[random() % bad.size()] = values[random() % 7];
    }
    try {
      const auto file = open(bad);
      for (const std::string& name : file->names()) file->tensor(name).clone();
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kOpenRead) << error.what();
    }
  }
}

TEST_F(Safetensors, ReadsSeveralPartsAsOne) {
  folder_.write("part-1.safetensors", safetensors_file(kHeader, kData));
  folder_.write("part-2.safetensors",
                safetensors_file(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                 bytes_of<float>({7})));
  const std::string index = folder_.write(
      "model.safetensors.index.json",
      R"({"metadata":{},"weight_map":{"a.weight":"part-1.safetensors","b":"part-2.safetensors"}})");
  const auto file = open_checkpoint(index);
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a.weight", "b"}));
  EXPECT_EQ(file->tensor("b").item<float>(), 7);
  EXPECT_EQ(file->find("n"), nullptr);
  EXPECT_TRUE(throws_error([&] { file->tensor("n"); }, ErrorCode::kModel, {"'n'", index}));
}

TEST_F(Safetensors, RefusesWrongIndexFiles) {
  const auto refuses_index = [&](const std::string& text, ErrorCode code, const std::string& part) {
    const std::string path = folder_.write("model.safetensors.index.json", text);
    return throws_error([&] { open_checkpoint(path); }, code, {part});
  };
  folder_.write("part.safetensors", safetensors_file(kHeader, kData));
  EXPECT_TRUE(refuses_index("{}", ErrorCode::kOpenRead, "weight_map"));
  EXPECT_TRUE(refuses_index(R"({"weight_map":{"x":3}})", ErrorCode::kOpenRead, "weight_map"));
  EXPECT_TRUE(refuses_index(R"({"weight_map":{"x":"../part.safetensors"}})", ErrorCode::kOpenRead,
                            "same folder"));
  EXPECT_TRUE(
      refuses_index(R"({"weight_map":{"x":"part.safetensors"}})", ErrorCode::kOpenRead, "'x'"));
  EXPECT_TRUE(refuses_index(R"({"weight_map":{"x":"none.safetensors"}})", ErrorCode::kNotFound,
                            "none.safetensors"));
}

}  // namespace
}  // namespace indextts2
