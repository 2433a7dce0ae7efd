// PyTorch checkpoints: what is read, and that nothing damaged or hostile does more than throw.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "support/checkpoint_writer.h"
#include "support/temp_folder.h"
#include "weights/checkpoint.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

using pickle::dict;
using pickle::tensor;
using pickle::text;

const std::string kSix = bytes_of<float>({0, 1, 2, 3, 4, 5});

class TorchZip : public testing::Test {
 protected:
  std::shared_ptr<const Checkpoint> open(const std::string& content) {
    return open_checkpoint(folder_.write("model.pth", content));
  }
  // A file with one tensor "w" over six floats.
  std::shared_ptr<const Checkpoint> open_one(const pickle::Tensor& value) {
    return open(torch_file(dict({text("w"), tensor(value)}), {kSix}));
  }
  testing::AssertionResult refuses(const std::string& content,
                                   const std::vector<std::string>& parts) {
    return throws_error([&] { open(content); }, ErrorCode::kOpenRead, parts);
  }
  testing::AssertionResult refuses_one(const pickle::Tensor& value,
                                       const std::vector<std::string>& parts) {
    return refuses(torch_file(dict({text("w"), tensor(value)}), {kSix}), parts);
  }
  TempFolder folder_;
};

std::vector<float> floats(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous().to(at::kFloat);
  const float* data = dense.const_data_ptr<float>();
  return {data, data + dense.numel()};
}

TEST_F(TorchZip, ReadsNestedDictionariesWithDottedNames) {
  const std::string inner =
      dict({text("weight"), tensor({"FloatStorage", "0", 6, 0, {2, 3}, {3, 1}})});
  const auto file =
      open(torch_file(dict({text("net"), pickle::ordered_dict({text("cfm"), inner}), text("step"),
                            pickle::integer(7), text("list"),
                            pickle::list({tensor({"FloatStorage", "0", 6, 5, {}, {}})}),
                            pickle::integer(-3), tensor({"FloatStorage", "0", 6, 2, {1}, {1}})}),
                      {kSix}));
  EXPECT_EQ(file->names(), (std::vector<std::string>{"net.cfm.weight", "list.0", "-3"}));
  EXPECT_EQ(file->find("net.cfm.weight")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(floats(file->tensor("net.cfm.weight")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(file->tensor("list.0").item<float>(), 5);
  EXPECT_EQ(file->find("net"), nullptr);
  EXPECT_TRUE(throws_error([&] { file->tensor("net.cfm.bias"); }, ErrorCode::kModel,
                           {"net.cfm.bias", "missing", file->path()}));
}

TEST_F(TorchZip, AFileThatIsOneTensorHasAnEmptyName) {
  const std::string parameter = pickle::call("torch._utils", "_rebuild_parameter",
                                             {tensor({"FloatStorage", "0", 6, 0, {6}, {1}}), "\x88",
                                              pickle::call("collections", "OrderedDict", {})});
  const auto file = open(torch_file(parameter, {kSix}));
  EXPECT_EQ(file->names(), std::vector<std::string>{""});
  EXPECT_EQ(file->tensor("").numel(), 6);
}

TEST_F(TorchZip, HonoursStridesOffsetsAndSharedStorages) {
  const auto file =
      open(torch_file(dict({text("transposed"), tensor({"FloatStorage", "0", 6, 0, {3, 2}, {1, 3}}),
                            text("row"), tensor({"FloatStorage", "0", 6, 3, {3}, {1}}),
                            text("expanded"), tensor({"FloatStorage", "0", 6, 1, {4}, {0}}),
                            text("empty"), tensor({"FloatStorage", "0", 6, 6, {0, 9}, {9, 1}})}),
                      {kSix}));
  EXPECT_EQ(floats(file->tensor("transposed")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(floats(file->tensor("row")), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(floats(file->tensor("expanded")), (std::vector<float>{1, 1, 1, 1}));
  EXPECT_EQ(file->tensor("empty").numel(), 0);
}

TEST_F(TorchZip, ReadsAllTypes) {
  const struct {
    const char* storage;
    at::ScalarType dtype;
    std::string bytes;
  } cases[] = {{"DoubleStorage", at::kDouble, bytes_of<double>({1, 2})},
               {"HalfStorage", at::kHalf, std::string("\x00\x3c\x00\x40", 4)},
               {"BFloat16Storage", at::kBFloat16, std::string("\x80\x3f\x00\x40", 4)},
               {"LongStorage", at::kLong, bytes_of<int64_t>({1, 2})},
               {"IntStorage", at::kInt, bytes_of<int32_t>({1, 2})},
               {"ShortStorage", at::kShort, bytes_of<int16_t>({1, 2})},
               {"CharStorage", at::kChar, "\x01\x02"},
               {"ByteStorage", at::kByte, "\x01\x02"}};
  for (const auto& one : cases) {
    const auto file = open(torch_file(tensor({one.storage, "0", 2, 0, {2}, {1}}), {one.bytes}));
    EXPECT_EQ(file->find("")->dtype, one.dtype);
    EXPECT_EQ(floats(file->tensor("")), (std::vector<float>{1, 2})) << one.storage;
  }
  const auto file =
      open(torch_file(tensor({"BoolStorage", "0", 2, 0, {2}, {1}}), {std::string("\x01\x00", 2)}));
  EXPECT_EQ(floats(file->tensor("")), (std::vector<float>{1, 0}));
}

TEST_F(TorchZip, ReadsZip64) {
  ZipOptions options;
  options.zip64 = true;
  const auto file =
      open(torch_file(tensor({"FloatStorage", "0", 6, 0, {6}, {1}}), {kSix}, options));
  EXPECT_EQ(floats(file->tensor("")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST_F(TorchZip, TensorsOutliveTheCheckpoint) {
  at::Tensor kept;
  {
    const auto file = open(torch_file(tensor({"FloatStorage", "0", 6, 0, {6}, {1}}), {kSix}));
    kept = file->tensor("");
  }
  EXPECT_EQ(floats(kept), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST_F(TorchZip, RefusesOtherPythonObjectsByName) {
  const std::string call = pickle::call("os", "system", {text("touch /tmp/indextts2-was-run")});
  EXPECT_TRUE(
      refuses(torch_file(dict({text("w"), call}), {}), {"os.system", "model.pth", "torch.save"}));
  EXPECT_FALSE(std::filesystem::exists("/tmp/indextts2-was-run"));
  const std::string stack_global =
      text("builtins") + text("eval") + "\x93" + pickle::tuple({text("1")}) + "R";
  EXPECT_TRUE(refuses(torch_file(stack_global, {}), {"builtins.eval"}));
  EXPECT_TRUE(refuses(torch_file("cnumpy\ndtype\n", {}), {"numpy.dtype"}));
  EXPECT_TRUE(refuses(torch_file("(i__main__\nModel\n", {}), {"op-code"}));  // INST
  EXPECT_TRUE(refuses(torch_file(pickle::call("torch", "FloatStorage", {text("1")}), {}),
                      {"calls torch.FloatStorage"}));
}

TEST_F(TorchZip, RefusesTensorsThatLeaveTheirStorage) {
  const int64_t huge = INT64_MAX;
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 0, {7}, {1}}, {"'w'", "[7]", "24 bytes"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 1, {6}, {1}}, {"'w'", "20 bytes"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 7, {}, {}}, {"starts at number 7"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, -1, {1}, {1}}, {"-1"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, huge, {1}, {1}}, {"'w'"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 5, {2}, {-1}}, {"strides [-1]"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 0, {-1}, {1}}, {"[-1]"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 0, {huge, huge}, {1, 1}}, {"impossible shape"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 0, {2, 2}, {huge, huge}}, {"does not fit"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 0, {1 << 30}, {0}}, {"whole file"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", 6, 0, {2, 3}, {1}}, {"strides"}));
  EXPECT_TRUE(
      refuses_one({"FloatStorage", "0", 7, 0, {6}, {1}}, {"expects 7 numbers", "24 bytes"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", huge, 0, {6}, {1}}, {"'w'"}));
  EXPECT_TRUE(refuses_one({"FloatStorage", "0", -1, 0, {6}, {1}}, {"'w'"}));
  EXPECT_TRUE(
      refuses_one({"FloatStorage", "1", 6, 0, {6}, {1}}, {"model/data/1", "not in the file"}));
  EXPECT_TRUE(refuses_one({"float32", "0", 6, 0, {6}, {1}}, {"torch.float32"}));
  EXPECT_TRUE(refuses_one(
      {"FloatStorage", "0", 6, 0, std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1)},
      {"dimensions"}));
}

TEST_F(TorchZip, RefusesNamesThatMeanTwoTensors) {
  const std::string one = tensor({"FloatStorage", "0", 6, 0, {6}, {1}});
  EXPECT_TRUE(
      refuses(torch_file(dict({text("a.b"), one, text("a"), dict({text("b"), one})}), {kSix}),
              {"'a.b'", "twice"}));
}

TEST_F(TorchZip, RefusesBombs) {
  // A dictionary that holds itself.
  EXPECT_TRUE(refuses(torch_file("}q\x01" + text("me") + "h\x01s", {}), {"nested too deep"}));
  // 40 lists, each holding the one before twice: 2^40 paths.
  std::string doubling = "]q" + std::string(1, '\0');
  for (char level = 1; level <= 40; ++level) {
    doubling += std::string("](h") + static_cast<char>(level - 1) + "h" +
                static_cast<char>(level - 1) + "eq" + level;
  }
  EXPECT_TRUE(refuses(torch_file(doubling, {}), {"nested too deep"}));
  // A million lists in each other.
  EXPECT_TRUE(refuses(torch_file(std::string(1000000, ']') + std::string(999999, 'a'), {}),
                      {"nested too deep"}));
  EXPECT_TRUE(refuses(torch_file(std::string(5000000, 'N'), {}), {"more values"}));
  // A long tuple, named again and again as the argument of a copying call.
  std::string copies = "(" + std::string(100000, 'N') + "tq\x01" + "ctorch\nSize\nq\x02";
  for (int i = 0; i < 1000; ++i) copies += "h\x02h\x01\x85R";
  EXPECT_TRUE(refuses(torch_file(copies, {}), {"longer lists"}));
  EXPECT_TRUE(refuses(torch_file(dict({text(std::string(2000, 'x')),
                                       tensor({"FloatStorage", "0", 6, 0, {6}, {1}})}),
                                 {kSix}),
                      {"short text"}));
}

TEST_F(TorchZip, RefusesBrokenPickles) {
  for (const char* code : {"0",
                           "R",
                           "Q",
                           "t",
                           "u",
                           "s",
                           "a",
                           "e",
                           "\x85",
                           "\x86",
                           "\x87",
                           "q\x01",
                           "h\x01",
                           "b",
                           "2",
                           "(0",
                           "N(a",
                           "Nb",
                           "]Na)aa",
                           "}Ns",
                           "}(Nu",
                           "NQ",
                           "N)R",
                           "X\xff\xff\xff\xff",
                           "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
                           "c",
                           "ctorch\n",
                           "\x8b\xff\xff\xff\xff",
                           "NN\x93",
                           "\xff"}) {
    EXPECT_TRUE(refuses(torch_file(code, {}), {"data.pkl"})) << code;
  }
  ZipWriter zip;
  EXPECT_TRUE(refuses(zip.add("m/data.pkl", "\x80\x09N.").finish(), {"protocol 2 to 5, got 9"}));
}

TEST_F(TorchZip, RefusesOtherZipArchives) {
  const std::string one = tensor({"FloatStorage", "0", 6, 0, {6}, {1}});
  ZipOptions deflated, encrypted;
  deflated.method = 8;
  encrypted.flags = 1;
  EXPECT_TRUE(refuses(torch_file(one, {kSix}, deflated), {"model/data.pkl", "compressed"}));
  EXPECT_TRUE(refuses(torch_file(one, {kSix}, encrypted), {"encrypted"}));
  EXPECT_TRUE(refuses(ZipWriter().add("a.txt", "hello").finish(), {"without data.pkl"}));
  EXPECT_TRUE(refuses(ZipWriter().add("a", "x").add("a", "y").finish(), {"'a'", "twice"}));
  EXPECT_TRUE(
      refuses(ZipWriter().add("m/byteorder", "big").add("m/data.pkl", pickle::file(one)).finish(),
              {"'little'", "'big'"}));
}

TEST_F(TorchZip, RefusesHugeDeclaredSizes) {
  const std::string good = torch_file(tensor({"FloatStorage", "0", 6, 0, {6}, {1}}), {kSix});
  const size_t end = good.size() - 22;
  for (const size_t field : {10, 12, 16}) {  // entries, bytes and place of the directory
    std::string bad = good;
    std::memcpy(bad.data() + end + field, "\xff\xff\xff\x7f", field == 10 ? 2 : 4);
    EXPECT_TRUE(refuses(bad, {"damaged zip"})) << field;
  }
  ZipOptions options;
  options.zip64 = true;
  const std::string good64 =
      torch_file(tensor({"FloatStorage", "0", 6, 0, {6}, {1}}), {kSix}, options);
  const size_t end64 = good64.size() - 22 - 20 - 56;
  for (const size_t field : {32, 40, 48}) {
    std::string bad = good64;
    std::memset(bad.data() + end64 + field, 0xff, 8);
    EXPECT_TRUE(refuses(bad, {"damaged zip"})) << field;
  }
}

TEST_F(TorchZip, RefusesTheFileCutAnywhere) {
  const std::string good =
      torch_file(dict({text("w"), tensor({"FloatStorage", "0", 6, 0, {6}, {1}})}), {kSix});
  for (size_t length = 1; length < good.size(); ++length) {
    EXPECT_TRUE(refuses(good.substr(0, length), {"model.pth", "download"})) << length;
  }
}

TEST_F(TorchZip, SaysWhatOtherFilesAre) {
  EXPECT_TRUE(refuses(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15),
                      {"old format", "python3 -c", "weights_only=True", "model.pth"}));
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_TRUE(refuses(tar, {"old format", "torch.save"}));
  EXPECT_TRUE(refuses("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", {"Git LFS"}));
  EXPECT_TRUE(refuses("<!doctype html><html>", {"web page"}));
  EXPECT_TRUE(refuses("hello", {"expected a PyTorch checkpoint", "5 bytes"}));
  EXPECT_TRUE(refuses("", {"empty", "download"}));
  EXPECT_TRUE(throws_error([&] { open_checkpoint(folder_.path().string()); }, ErrorCode::kOpenRead,
                           {"a folder"}));
  EXPECT_TRUE(throws_error([&] { open_checkpoint((folder_.path() / "none.pth").string()); },
                           ErrorCode::kNotFound, {"none.pth", "no such file"}));
}

// Reads whatever a changed file still yields; only Error may come out.
void read_all(const std::string& path) {
  try {
    const auto file = open_checkpoint(path);
    for (const std::string& name : file->names()) file->tensor(name).clone();
  } catch (const Error& error) {
    EXPECT_TRUE(error.code == ErrorCode::kOpenRead || error.code == ErrorCode::kModel)
        << error.what();
  }
}

TEST_F(TorchZip, SurvivesRandomChanges) {
  const std::string value =
      dict({text("net"),
            pickle::ordered_dict({text("a"), tensor({"FloatStorage", "0", 6, 0, {2, 3}, {3, 1}})}),
            text("b"), tensor({"LongStorage", "1", 2, 1, {1}, {1}}), text("c"),
            pickle::list({pickle::integer(3)})});
  for (const bool zip64 : {false, true}) {
    ZipOptions options;
    options.zip64 = zip64;
    const std::string good = torch_file(value, {kSix, bytes_of<int64_t>({1, 2})}, options);
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
      std::string bad = good;
      for (uint32_t change = 0; change <= random() % 4; ++change) {
        // Random bytes, and the values where bounds go wrong.
        const char values[] = {'\0', '\x7f', '\x80', '\xff', static_cast<char>(random())};
        bad[random() % bad.size()] = values[random() % 5];
      }
      read_all(folder_.write("model.pth", bad));
    }
  }
}

}  // namespace
}  // namespace indextts2
