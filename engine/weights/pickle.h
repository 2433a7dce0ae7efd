// The part of Python's pickle format that PyTorch checkpoints need, read without executing
// anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace indextts2 {

// One value; others refer to it by index. Tensors and storages keep their arguments: torch_zip.cpp
// reads them.
struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kBool,     // integer
    kInt,      // integer
    kFloat,    // its value is of no use in a checkpoint and is not kept
    kText,     // text, bytes too
    kTuple,    // items
    kList,     // items
    kDict,     // items: key, value, key, value, ...
    kGlobal,   // text: one of the names that are allowed, "torch.FloatStorage"
    kStorage,  // items: what the persistent id says: 'storage', type, key, location, count
    kTensor,   // items: arguments of _rebuild_tensor_v2: storage, offset, size, stride, ...
    kOpaque,   // a device or another object without tensors
  };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  std::string_view text;        // points into the pickle or at a constant
  std::vector<uint32_t> items;  // indices into Pickle::values
};

struct Pickle {
  std::vector<PickleValue> values;
  uint32_t root = 0;
  const PickleValue& at(uint32_t index) const { return values[index]; }
};

// Reads `bytes` (kept by the caller as long as the result). `where` names the file in messages.
// Values may refer to themselves. Throws Error{kOpenRead}: damaged, too large, a global that is not
// on the list.
Pickle read_pickle(std::string_view bytes, const std::string& where);

}  // namespace indextts2
