// A checkpoint file: names -> tensors that live in a memory-mapped file.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace indextts2 {

// What the file says of one tensor. The constructor of each reader has checked that it lies inside
// the file.
struct TensorEntry {
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;     // in elements
  const std::byte* data = nullptr;  // first element, inside the mapping
};

// Thread-safety: const. Tensors handed out keep the mapping alive.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  virtual const std::string& path() const = 0;
  // All tensor names, dictionary levels joined by '.' ("net.cfm.estimator.conv1.weight"); "" for a
  // file that is one tensor.
  virtual const std::vector<std::string>& names() const = 0;
  virtual const TensorEntry* find(std::string_view name) const = 0;  // nullptr: no such tensor
  // A view of the mapped data [shape] in the file's dtype, on the CPU, not to be written. Throws
  // Error{kModel} if absent.
  virtual at::Tensor tensor(std::string_view name) const = 0;
};

// Opens a PyTorch zip checkpoint or a safetensors file, told apart by content, or an index of
// several (NAME.index.json). Throws Error{kNotFound, kOpenRead} with file, expected, got and what
// to do.
std::shared_ptr<const Checkpoint> open_checkpoint(const std::string& path);

}  // namespace indextts2
