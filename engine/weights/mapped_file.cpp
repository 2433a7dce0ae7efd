// A whole file mapped read-only into memory.
#include "weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace indextts2 {
namespace {

// Closes a descriptor; the mapping outlives it.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number;
};

[[noreturn]] void throw_errno(const std::string& path, int number) {
  const std::string reason = std::strerror(number);
  if (number == ENOENT || number == ENOTDIR) {
    throw Error(ErrorCode::kNotFound,
                path + ": no such file; check the model folder or download the file", reason);
  }
  throw Error(ErrorCode::kOpenRead, path + ": cannot be read: " + reason, reason);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not hang; regular files ignore it.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number < 0) throw_errno(path, errno);
  struct stat info {};
  if (::fstat(file.number, &info) != 0) throw_errno(path, errno);
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::kOpenRead,
                path + ": expected a file, got " +
                    (S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe") +
                    "; name the checkpoint file itself");
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size == 0) {
    throw Error(ErrorCode::kOpenRead, path + ": the file is empty; download it again");
  }
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (data == MAP_FAILED) throw_errno(path, errno);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::MappedFile(std::string path, const std::byte* data, uint64_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(data_), size_); }

std::string_view MappedFile::text(uint64_t offset, uint64_t length) const {
  if (offset >= size_) return {};
  const uint64_t left = size_ - offset;
  return {reinterpret_cast<const char*>(data_) + offset,
          static_cast<size_t>(length < left ? length : left)};
}

}  // namespace indextts2
