// Writes PyTorch checkpoints and safetensors files byte by byte, correct ones and deliberately
// wrong ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/zip_writer.h"

namespace indextts2 {

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

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
