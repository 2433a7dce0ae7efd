// Writes zip archives as PyTorch does, and deliberately wrong ones.
#pragma once

#include <cstdint>
#include <string>

namespace indextts2 {

inline std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

struct ZipOptions {
  bool zip64 = false;   // 64-bit sizes in every entry and at the end
  uint16_t method = 0;  // said of every entry; the bytes stay as they are
  uint16_t flags = 0;
};

// A zip archive of stored entries.
class ZipWriter {
 public:
  using Options = ZipOptions;
  explicit ZipWriter(Options options = {}) : options_(options) {}

  ZipWriter& add(const std::string& name, const std::string& content) {
    const uint64_t offset = archive_.size();
    const uint64_t said = options_.zip64 ? 0xffffffff : content.size();
    const std::string common = little_endian(options_.flags, 2) +
                               little_endian(options_.method, 2) + std::string(8, '\0') +
                               little_endian(said, 4) + little_endian(said, 4) +
                               little_endian(name.size(), 2);
    // PyTorch pads the extra field of the local header so that data begins at a multiple of 64.
    const uint64_t padding = (64 - (offset + 30 + name.size() + 4) % 64) % 64 + 4;
    archive_ += little_endian(0x04034b50, 4) + little_endian(45, 2) + common +
                little_endian(padding, 2) + name + "FB" + little_endian(padding - 4, 2) +
                std::string(padding - 4, 'Z') + content;
    const std::string extra = options_.zip64
                                  ? little_endian(1, 2) + little_endian(24, 2) +
                                        little_endian(content.size(), 8) +
                                        little_endian(content.size(), 8) + little_endian(offset, 8)
                                  : "";
    directory_ += little_endian(0x02014b50, 4) + little_endian(45, 2) + little_endian(45, 2) +
                  common + little_endian(extra.size(), 2) + std::string(10, '\0') +
                  little_endian(options_.zip64 ? 0xffffffff : offset, 4) + name + extra;
    ++count_;
    return *this;
  }

  std::string finish() const {
    std::string end;
    const uint64_t start = archive_.size();
    if (options_.zip64) {
      const uint64_t end64 = start + directory_.size();
      end += little_endian(0x06064b50, 4) + little_endian(44, 8) + little_endian(45, 2) +
             little_endian(45, 2) + std::string(8, '\0') + little_endian(count_, 8) +
             little_endian(count_, 8) + little_endian(directory_.size(), 8) +
             little_endian(start, 8);
      end += little_endian(0x07064b50, 4) + std::string(4, '\0') + little_endian(end64, 8) +
             little_endian(1, 4);
    }
    const uint64_t count = options_.zip64 ? 0xffff : count_;
    end += little_endian(0x06054b50, 4) + std::string(4, '\0') + little_endian(count, 2) +
           little_endian(count, 2) +
           little_endian(options_.zip64 ? 0xffffffff : directory_.size(), 4) +
           little_endian(options_.zip64 ? 0xffffffff : start, 4) + little_endian(0, 2);
    return archive_ + directory_ + end;
  }

 private:
  Options options_;
  std::string archive_, directory_;
  uint64_t count_ = 0;
};

}  // namespace indextts2
