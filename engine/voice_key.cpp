// Names of voices by content.
#include "voice_key.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace indextts2 {
namespace {

// FNV-1a over 8-byte words with two bases: 128 bits, quick and the same everywhere. Not meant
// against forgers.
struct ContentHash {
  uint64_t a = 0xcbf29ce484222325u, b = 0x9e3779b97f4a7c15u;
  uint64_t size = 0;

  void add(const void* data, size_t bytes) {
    const unsigned char* at = static_cast<const unsigned char*>(data);
    size += bytes;
    while (bytes > 0) {
      uint64_t word = 0;
      const size_t part = bytes < sizeof word ? bytes : sizeof word;
      std::memcpy(&word, at, part);
      a = (a ^ word) * 0x100000001b3u;
      a ^= a >> 29;
      b = (b + word) * 0xff51afd7ed558ccdu;
      b ^= b >> 32;
      at += part;
      bytes -= part;
    }
  }
  std::string text() const {
    char hex[64];
    std::snprintf(hex, sizeof hex, "%016llx%016llx-%llu", static_cast<unsigned long long>(a),
                  static_cast<unsigned long long>(b), static_cast<unsigned long long>(size));
    return hex;
  }
};

std::string hash_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  ContentHash hash;
  std::vector<char> block(1 << 16);
  size_t bytes = 0;
  while (file && (bytes = std::fread(block.data(), 1, block.size(), file.get())) > 0) {
    hash.add(block.data(), bytes);
  }
  if (!file || std::ferror(file.get())) {
    throw Error(ErrorCode::kVoiceNotFound,
                "voice clip " + path + " cannot be read: " + std::strerror(errno));
  }
  return hash.text();
}

std::string hash_clip(const Clip& clip) {
  if (clip.samples.empty()) return clip.path.empty() ? "none" : hash_file(clip.path);
  ContentHash hash;
  hash.add(clip.samples.data(), clip.samples.size() * sizeof(float));
  return hash.text() + "@" + std::to_string(clip.sample_rate_hz);
}

}  // namespace

std::string voice_key(const VoiceOptions& options) {
  return hash_clip(options.speaker) + "/" + hash_clip(options.emotion) + "/" +
         std::to_string(options.max_prompt_seconds);
}

}  // namespace indextts2
