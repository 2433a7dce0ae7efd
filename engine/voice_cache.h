// Voices by content: the same clips are encoded once, whatever their paths, within a bound of
// memory.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "indextts2/engine.h"

namespace indextts2 {

// Names the content of the clips and the limits they are read with. Reads the files.
// Throws Error{kVoiceNotFound} naming the path and the reason.
std::string voice_key(const VoiceOptions& options);

// Holds the voices used last. Thread-safety: safe.
class VoiceCache {
 public:
  explicit VoiceCache(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  std::shared_ptr<const Voice> find(const std::string& key);  // null: not there
  // In place of the one that it has of this key. Drops the voices used longest ago once the sum is
  // above the bound; the newest always stays.
  void insert(const std::string& key, std::shared_ptr<const Voice> voice, uint64_t bytes);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Voice> voice;
    uint64_t bytes;
  };

  const uint64_t max_bytes_;
  std::mutex mutex_;          // guards all below
  std::list<Entry> entries_;  // newest first
  uint64_t bytes_ = 0;
};

}  // namespace indextts2
