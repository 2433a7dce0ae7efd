// The Checkpoint that both file readers fill: an index of names over mapped files.
#include "weights/tensor_index.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/Storage.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace indextts2 {
namespace {

// Bytes from the first element to the end of the last one. False on a negative stride or an
// overflow.
bool extent_bytes(const TensorEntry& entry, uint64_t item_bytes, uint64_t* bytes) {
  uint64_t last = 0;
  for (size_t dim = 0; dim < entry.shape.size(); ++dim) {
    if (entry.strides[dim] < 0) return false;
    uint64_t reach = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(entry.shape[dim]) - 1,
                               static_cast<uint64_t>(entry.strides[dim]), &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return false;
    }
  }
  return !__builtin_add_overflow(last, 1, &last) &&
         !__builtin_mul_overflow(last, item_bytes, bytes);
}

bool is_empty(const TensorEntry& entry) {
  return std::find(entry.shape.begin(), entry.shape.end(), 0) != entry.shape.end();
}

void delete_file_holder(void* holder) {
  delete static_cast<std::shared_ptr<const MappedFile>*>(holder);
}

// The bytes in place; the result keeps the mapping alive. at::from_blob lives in a per-operator
// header: this is the same with c10 alone.
c10::DataPtr map_data(const TensorEntry& entry, const std::shared_ptr<const MappedFile>& file) {
  return {const_cast<std::byte*>(entry.data), new std::shared_ptr<const MappedFile>(file),
          &delete_file_holder, at::kCPU};
}

c10::DataPtr copy_data(const TensorEntry& entry, uint64_t bytes) {
  c10::DataPtr copy = c10::GetAllocator(c10::kCPU)->allocate(bytes);
  if (bytes > 0) std::memcpy(copy.get(), entry.data, bytes);
  return copy;
}

}  // namespace

std::string printable(std::string_view name) {
  std::string text(name.substr(0, 200));
  for (char& letter : text) {
    if (letter < 0x20 || letter > 0x7e) letter = '?';
  }
  return text;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    text += (dim == 0 ? "" : ", ") + std::to_string(shape[dim]);
  }
  return text + "]";
}

bool contiguous_strides(const std::vector<int64_t>& shape, std::vector<int64_t>* strides,
                        uint64_t* count) {
  strides->assign(shape.size(), 1);
  bool empty = false;
  int64_t step = 1;
  for (size_t dim = shape.size(); dim-- > 0;) {
    if (shape[dim] < 0) return false;
    (*strides)[dim] = step;
    empty = empty || shape[dim] == 0;
    if (shape[dim] > 1 && __builtin_mul_overflow(step, shape[dim], &step)) return false;
  }
  *count = empty ? 0 : static_cast<uint64_t>(step);
  return true;
}

void TensorIndex::add(const std::string& name, TensorEntry entry, uint64_t available,
                      const std::shared_ptr<const MappedFile>& file) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kOpenRead, file->path() + ": tensor '" + printable(name) + "': " + what +
                                          "; the file is damaged, download it again");
  };
  if (name.size() > kMaxNameBytes) fail("has a name of " + std::to_string(name.size()) + " bytes");
  if (names_.size() >= kMaxTensors)
    fail("is one of more than " + std::to_string(kMaxTensors) + " tensors");
  if (entry.shape.size() > kMaxDims)
    fail("has more than " + std::to_string(kMaxDims) + " dimensions");
  if (entry.strides.size() != entry.shape.size()) fail("has another number of strides than sizes");
  std::vector<int64_t> dense;
  uint64_t count = 0, bytes = 0;
  const uint64_t item_bytes = c10::elementSize(entry.dtype);
  if (!contiguous_strides(entry.shape, &dense, &count) ||
      __builtin_mul_overflow(count, item_bytes, &bytes)) {
    fail("impossible shape " + shape_text(entry.shape));
  }
  // Strides of 0 can make a tensor larger than its data: taking it would then allocate without
  // bound.
  if (bytes > file->size()) {
    fail("shape " + shape_text(entry.shape) + " needs " + std::to_string(bytes) +
         " bytes, the whole file has " + std::to_string(file->size()));
  }
  uint64_t extent = 0;
  if (count > 0 && (!extent_bytes(entry, item_bytes, &extent) || extent > available)) {
    fail("shape " + shape_text(entry.shape) + " with strides " + shape_text(entry.strides) +
         " does not fit the " + std::to_string(available) + " bytes stored for it");
  }
  if (!items_.emplace(name, Item{std::move(entry), file}).second) fail("is there twice");
  names_.push_back(name);
}

const TensorEntry* TensorIndex::find(std::string_view name) const {
  const auto found = items_.find(name);
  return found == items_.end() ? nullptr : &found->second.entry;
}

at::Tensor TensorIndex::tensor(std::string_view name) const {
  const auto found = items_.find(name);
  if (found == items_.end()) {
    throw Error(ErrorCode::kModel, path_ + ": tensor '" + std::string(name) + "' is missing");
  }
  const TensorEntry& entry = found->second.entry;
  const auto& file = found->second.file;
  // Networks and tests read tensors as arrays of their type, which must be aligned as such.
  const bool aligned = reinterpret_cast<uintptr_t>(entry.data) % c10::elementSize(entry.dtype) == 0;
  uint64_t bytes = 0;
  if (!is_empty(entry)) extent_bytes(entry, c10::elementSize(entry.dtype), &bytes);
  c10::DataPtr pointer = aligned ? map_data(entry, file) : copy_data(entry, bytes);
  c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, std::move(pointer), nullptr,
                       /*resizable=*/false);
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(entry.dtype));
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(entry.shape, entry.strides);
  return tensor;
}

}  // namespace indextts2
