// Pages of keys and values (decode_tables.h): taken one by one, kept for the next segment.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace indextts2 {

// Grows in slabs from LibTorch's caching allocator, on the current stream, and never shrinks.
// Pages that are given back may be taken again at once: all work on them is on one stream.
// Thread-safety: one thread.
class PagePool {
 public:
  // `limit`: most pages; 0: as many as the device holds.
  PagePool(at::Device device, size_t page_bytes, int64_t limit);

  // Grows to `pages` at once, as far as the limit and the device's memory allow.
  void reserve(int64_t pages);
  // Throws Error{kNoMemory}.
  void* take();
  void give_back(void* page) { free_.push_back(page); }

  int64_t pages() const { return pages_; }  // taken and free ones
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }

 private:
  bool grow(int64_t pages);

  const at::Device device_;
  const size_t page_bytes_;
  const int64_t limit_;
  std::vector<at::Tensor> slabs_;
  std::vector<void*> free_;
  int64_t pages_ = 0;
};

}  // namespace indextts2
