// The directory of a zip archive whose entries are stored, not compressed.
// Follows PKWARE's APPNOTE 6.3, sections 4.3 (structure) and 4.5.3 (zip64 extra field).
#include "weights/zip_directory.h"

#include <algorithm>

#include "core/error.h"
#include "weights/tensor_index.h"

namespace indextts2 {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20, kCentralBytes = 46,
                   kLocalBytes = 30;

// Little-endian numbers at checked places.
class Reader {
 public:
  explicit Reader(const MappedFile& file) : file_(file) {}

  uint64_t number(uint64_t offset, int bytes) const {
    require(offset, static_cast<uint64_t>(bytes));
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;) {
      value = value << 8 | static_cast<uint64_t>(file_.data()[offset + static_cast<uint64_t>(i)]);
    }
    return value;
  }
  void require(uint64_t offset, uint64_t bytes) const {
    if (offset > file_.size() || bytes > file_.size() - offset) {
      fail("its directory points " + std::to_string(bytes) + " bytes at " + std::to_string(offset) +
           " beyond the end (" + std::to_string(file_.size()) + " bytes)");
    }
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kOpenRead,
                file_.path() + ": damaged zip archive: " + what + "; download the file again");
  }
  const MappedFile& file() const { return file_; }

 private:
  const MappedFile& file_;
};

// Offset of the end record; it is followed by a comment of at most 65535 bytes.
uint64_t find_end(const Reader& reader) {
  const uint64_t size = reader.file().size();
  if (size >= kEndBytes) {
    const uint64_t lowest = size - std::min<uint64_t>(size, kEndBytes + 65535);
    for (uint64_t at = size - kEndBytes + 1; at-- > lowest;) {
      if (reader.number(at, 4) == kEnd && reader.number(at + 20, 2) <= size - at - kEndBytes)
        return at;
    }
  }
  throw Error(ErrorCode::kOpenRead,
              reader.file().path() +
                  ": truncated: expected a zip directory at the end of the file, got " +
                  std::to_string(size) + " bytes without one; download the file again");
}

struct Directory {
  uint64_t count = 0, bytes = 0, offset = 0;
};

Directory find_directory(const Reader& reader) {
  const uint64_t end = find_end(reader);
  Directory directory{reader.number(end + 10, 2), reader.number(end + 12, 4),
                      reader.number(end + 16, 4)};
  if (end < kLocatorBytes || reader.number(end - kLocatorBytes, 4) != kEnd64Locator)
    return directory;
  const uint64_t end64 = reader.number(end - kLocatorBytes + 8, 8);
  reader.require(end64, kEnd64Bytes);
  if (reader.number(end64, 4) != kEnd64) reader.fail("no zip64 end record where one is announced");
  return {reader.number(end64 + 32, 8), reader.number(end64 + 40, 8), reader.number(end64 + 48, 8)};
}

// Replaces the fields that hold the marker 0xffffffff by their 64-bit values, in the order the
// format fixes.
void read_zip64_extra(const Reader& reader, uint64_t at, uint64_t end,
                      std::initializer_list<uint64_t*> fields) {
  while (at + 4 <= end) {
    const uint64_t id = reader.number(at, 2), bytes = reader.number(at + 2, 2);
    const uint64_t stop = std::min(at + 4 + bytes, end);
    if (id == 1) {
      uint64_t value_at = at + 4;
      for (uint64_t* field : fields) {
        if (*field != 0xffffffff) continue;
        if (value_at + 8 > stop) reader.fail("a zip64 size is missing");
        *field = reader.number(value_at, 8);
        value_at += 8;
      }
      return;
    }
    at += 4 + bytes;
  }
}

// Start of an entry's bytes: behind its local header, whose name and extra field may differ in
// length.
uint64_t data_offset(const Reader& reader, uint64_t local, const std::string& name) {
  reader.require(local, kLocalBytes);
  if (reader.number(local, 4) != kLocalHeader)
    reader.fail("no entry header for '" + printable(name) + "'");
  return local + kLocalBytes + reader.number(local + 26, 2) + reader.number(local + 28, 2);
}

}  // namespace

std::map<std::string, ZipEntry> read_zip_directory(const MappedFile& file) {
  const Reader reader(file);
  const Directory directory = find_directory(reader);
  reader.require(directory.offset, directory.bytes);
  std::map<std::string, ZipEntry> entries;
  uint64_t at = directory.offset;
  const uint64_t end = directory.offset + directory.bytes;
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (end - at < kCentralBytes || reader.number(at, 4) != kCentralHeader) {
      reader.fail("expected " + std::to_string(directory.count) + " entries, got " +
                  std::to_string(i));
    }
    const uint64_t name_bytes = reader.number(at + 28, 2), extra_bytes = reader.number(at + 30, 2);
    const uint64_t record = kCentralBytes + name_bytes + extra_bytes + reader.number(at + 32, 2);
    if (record > end - at) reader.fail("an entry reaches beyond the directory");
    const std::string name(file.text(at + kCentralBytes, name_bytes));
    uint64_t packed = reader.number(at + 20, 4), size = reader.number(at + 24, 4),
             local = reader.number(at + 42, 4);
    const uint64_t extra = at + kCentralBytes + name_bytes;
    read_zip64_extra(reader, extra, extra + extra_bytes, {&size, &packed, &local});
    if (reader.number(at + 8, 2) & 1) reader.fail("entry '" + printable(name) + "' is encrypted");
    ZipEntry entry{data_offset(reader, local, name), packed,
                   static_cast<uint16_t>(reader.number(at + 10, 2))};
    reader.require(entry.offset, entry.size);
    if (entry.method == 0 && packed != size)
      reader.fail("entry '" + printable(name) + "' has two sizes");
    if (!entries.emplace(name, entry).second)
      reader.fail("entry '" + printable(name) + "' is there twice");
    at += record;
  }
  return entries;
}

}  // namespace indextts2
