// Growth of memory between marks.
#include "memory_marks.h"

#include <utility>

namespace indextts2 {

MemoryMarks::MemoryMarks(MemoryUsed used) : used_(std::move(used)) {}

void MemoryMarks::begin(const std::string& device) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (books_.count(device) == 0) books_[device].last = used_(device);
}

void MemoryMarks::mark(const std::string& device, const std::string& part) {
  std::lock_guard<std::mutex> lock(mutex_);
  Book& book = books_[device];
  const uint64_t now = used_(device);
  book.parts[part] += static_cast<int64_t>(now) - static_cast<int64_t>(book.last);
  book.last = now;
}

std::map<std::string, MemoryMarks::Parts> MemoryMarks::parts() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::map<std::string, Parts> all;
  for (const auto& [device, book] : books_) {
    Parts& parts = all[device] = book.parts;
    parts["since"] += static_cast<int64_t>(used_(device)) - static_cast<int64_t>(book.last);
  }
  return all;
}

}  // namespace indextts2
