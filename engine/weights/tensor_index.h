// The Checkpoint that both file readers fill: an index of names over mapped files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/mapped_file.h"

namespace indextts2 {

// Bounds that keep a damaged or hostile file from costing more than its own size.
inline constexpr size_t kMaxDims = 16;
inline constexpr size_t kMaxTensors = 100000;
inline constexpr size_t kMaxNameBytes = 1024;

// Thread-safety: one thread while add() is called, const afterwards.
class TensorIndex : public Checkpoint {
 public:
  explicit TensorIndex(std::string path) : path_(std::move(path)) {}

  // Adds a tensor that lies inside `file`: the caller has checked `entry.data` to be inside, this
  // checks the extent given by shape and strides against `available` bytes from there on. Throws
  // Error{kOpenRead}.
  void add(const std::string& name, TensorEntry entry, uint64_t available,
           const std::shared_ptr<const MappedFile>& file);

  const std::string& path() const override { return path_; }
  const std::vector<std::string>& names() const override { return names_; }
  const TensorEntry* find(std::string_view name) const override;
  at::Tensor tensor(std::string_view name) const override;

 private:
  struct Item {
    TensorEntry entry;
    std::shared_ptr<const MappedFile> file;
  };
  std::string path_;
  std::vector<std::string> names_;  // in file order
  std::map<std::string, Item, std::less<>> items_;
};

// A name out of a file for a message: cut at 200 bytes, what is not printable ASCII as '?'.
std::string printable(std::string_view name);
// "[512, 80]"
std::string shape_text(const std::vector<int64_t>& shape);
// Strides of a contiguous tensor. False if a product overflows or a size is negative; `count` =
// number of elements.
bool contiguous_strides(const std::vector<int64_t>& shape, std::vector<int64_t>* strides,
                        uint64_t* count);

}  // namespace indextts2
