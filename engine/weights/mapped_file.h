// A whole file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace indextts2 {

// Thread-safety: const. The file must not be shortened while it is mapped: that raises SIGBUS in
// whoever reads it.
class MappedFile {
 public:
  // Throws Error{kNotFound} if there is no such file, Error{kOpenRead} if it cannot be mapped or is
  // empty.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }
  // The first `length` bytes at `offset`, fewer at the end of the file.
  std::string_view text(uint64_t offset, uint64_t length) const;

 private:
  MappedFile(std::string path, const std::byte* data, uint64_t size);
  std::string path_;
  const std::byte* data_;
  uint64_t size_;
};

}  // namespace indextts2
