// Pages of keys and values: taken one by one, kept for the next segment.
#include "cuda/page_pool.h"

#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <string>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr int64_t kSlabPages = 4;

}  // namespace

PagePool::PagePool(at::Device device, size_t page_bytes, int64_t limit)
    : device_(device), page_bytes_(page_bytes), limit_(limit) {}

bool PagePool::grow(int64_t pages) {
  if (limit_ > 0) pages = std::min(pages, limit_ - pages_);
  if (pages <= 0) return false;
  try {
    // Zeros: what nobody has written yet must be finite.
    slabs_.push_back(at::zeros({pages, static_cast<int64_t>(page_bytes_)},
                               at::TensorOptions(device_).dtype(at::kByte)));
  } catch (const c10::OutOfMemoryError&) {
    return false;
  }
  auto* const first = static_cast<std::byte*>(slabs_.back().mutable_data_ptr());
  for (int64_t i = pages - 1; i >= 0; --i) free_.push_back(first + i * page_bytes_);
  pages_ += pages;
  return true;
}

void PagePool::reserve(int64_t pages) {
  while (pages_ < pages && grow(std::min(kSlabPages, pages - pages_))) {
  }
}

void* PagePool::take() {
  if (free_.empty() && !grow(kSlabPages) && !grow(1)) {
    throw Error(ErrorCode::kNoMemory,
                "decoding: no device memory for another " + std::to_string(page_bytes_ >> 10) +
                    " KiB of keys and values beside " + std::to_string(pages_) +
                    " such pages; use a smaller max-batch");
  }
  void* const page = free_.back();
  free_.pop_back();
  return page;
}

}  // namespace indextts2
