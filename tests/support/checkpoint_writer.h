// Writes PyTorch checkpoints and safetensors files byte by byte, correct ones and deliberately
// wrong ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace indextts2 {

inline std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

struct ZipOptions {
  bool zip64 = false;   // 64-bit sizes in every entry and at the end
  uint16_t method = 0;  // said of every entry; the bytes stay as they are
  uint16_t flags = 0;
};

// A zip archive of stored entries.
class ZipWriter {
 public:
  using Options = ZipOptions;
  explicit ZipWriter(Options options = {}) : options_(options) {}

  ZipWriter& add(const std::string& name, const std::string& content) {
    const uint64_t offset = archive_.size();
    const uint64_t said = options_.zip64 ? 0xffffffff : content.size();
    const std::string common = little_endian(options_.flags, 2) +
                               little_endian(options_.method, 2) + std::string(8, '\0') +
                               little_endian(said, 4) + little_endian(said, 4) +
                               little_endian(name.size(), 2);
    // PyTorch pads the extra field of the local header so that data begins at a multiple of 64.
    const uint64_t padding = (64 - (offset + 30 + name.size() + 4) % 64) % 64 + 4;
    archive_ += little_endian(0x04034b50, 4) + little_endian(45, 2) + common +
                little_endian(padding, 2) + name + "FB" + little_endian(padding - 4, 2) +
                std::string(padding - 4, 'Z') + content;
    const std::string extra = options_.zip64
                                  ? little_endian(1, 2) + little_endian(24, 2) +
                                        little_endian(content.size(), 8) +
                                        little_endian(content.size(), 8) + little_endian(offset, 8)
                                  : "";
    directory_ += little_endian(0x02014b50, 4) + little_endian(45, 2) + little_endian(45, 2) +
                  common + little_endian(extra.size(), 2) + std::string(10, '\0') +
                  little_endian(options_.zip64 ? 0xffffffff : offset, 4) + name + extra;
    ++count_;
    return *this;
  }

  std::string finish() const {
    std::string end;
    const uint64_t start = archive_.size();
    if (options_.zip64) {
      const uint64_t end64 = start + directory_.size();
      end += little_endian(0x06064b50, 4) + little_endian(44, 8) + little_endian(45, 2) +
             little_endian(45, 2) + std::string(8, '\0') + little_endian(count_, 8) +
             little_endian(count_, 8) + little_endian(directory_.size(), 8) +
             little_endian(start, 8);
      end += little_endian(0x07064b50, 4) + std::string(4, '\0') + little_endian(end64, 8) +
             little_endian(1, 4);
    }
    const uint64_t count = options_.zip64 ? 0xffff : count_;
    end += little_endian(0x06054b50, 4) + std::string(4, '\0') + little_endian(count, 2) +
           little_endian(count, 2) +
           little_endian(options_.zip64 ? 0xffffffff : directory_.size(), 4) +
           little_endian(options_.zip64 ? 0xffffffff : start, 4) + little_endian(0, 2);
    return archive_ + directory_ + end;
  }

 private:
  Options options_;
  std::string archive_, directory_;
  uint64_t count_ = 0;
};

// Pickle op-codes of protocol 2; each function returns the bytes that leave one value on the stack.
namespace pickle {

inline std::string text(const std::string& value) {
  return "X" + little_endian(value.size(), 4) + value;
}
inline std::string integer(int64_t value) {
  return "\x8a" + little_endian(8, 1) + little_endian(static_cast<uint64_t>(value), 8);
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string code = "(";
  for (const std::string& item : items) code += item;
  return code + "t";
}
inline std::string list(const std::vector<std::string>& items) {
  std::string code = "](";
  for (const std::string& item : items) code += item;
  return code + "e";
}
inline std::string integers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(integer(value));
  return tuple(items);
}
// `items`: key, value, key, value, ...
inline std::string dict(const std::vector<std::string>& items) {
  std::string code = "}(";
  for (const std::string& item : items) code += item;
  return code + "u";
}
inline std::string call(const std::string& module, const std::string& name,
                        const std::vector<std::string>& arguments) {
  return "c" + module + "\n" + name + "\n" + tuple(arguments) + "R";
}
// An OrderedDict with the state that state_dict() leaves in it.
inline std::string ordered_dict(const std::vector<std::string>& items) {
  std::string code = call("collections", "OrderedDict", {}) + "(";
  for (const std::string& item : items) code += item;
  return code + "u" + dict({text("_metadata"), dict({})}) + "b";
}

struct Tensor {
  std::string type = "FloatStorage";
  std::string key = "0";
  int64_t count = 0;  // numbers in the storage
  int64_t offset = 0;
  std::vector<int64_t> shape = {};
  std::vector<int64_t> strides = {};
};
inline std::string tensor(const Tensor& value) {
  const std::string storage = tuple({text("storage"), "ctorch\n" + value.type + "\n",
                                     text(value.key), text("cpu"), integer(value.count)}) +
                              "Q";
  return call("torch._utils", "_rebuild_tensor_v2",
              {storage, integer(value.offset), integers(value.shape), integers(value.strides),
               "\x89", call("collections", "OrderedDict", {})});
}

inline std::string file(const std::string& value) { return "\x80\x02" + value + "."; }

}  // namespace pickle

// A PyTorch checkpoint of `value` (made by the functions of pickle::) whose storages are "0", "1",
// ...
inline std::string torch_file(const std::string& value, const std::vector<std::string>& storages,
                              ZipOptions options = {}) {
  ZipWriter zip(options);
  zip.add("model/data.pkl", pickle::file(value));
  for (size_t i = 0; i < storages.size(); ++i)
    zip.add("model/data/" + std::to_string(i), storages[i]);
  return zip.add("model/version", "3\n").finish();
}

inline std::string safetensors_file(const std::string& header, const std::string& data) {
  return little_endian(header.size(), 8) + header + data;
}

}  // namespace indextts2
