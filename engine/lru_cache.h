// The values used last, within a bound.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace indextts2 {

// Thread-safety: safe.
template <typename Value>
class LruCache {
 public:
  explicit LruCache(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  std::shared_ptr<Value> find(const std::string& key) {  // null: not there
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->key != key) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front().value;
    }
    return nullptr;
  }

  // In place of the one that it has of this key. Drops the values used longest ago once the sum is
  // above the bound; the newest always stays.
  void insert(const std::string& key, std::shared_ptr<Value> value, uint64_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->key != key) continue;
      bytes_ -= entry->bytes;
      entries_.erase(entry);
      break;
    }
    entries_.push_front({key, std::move(value), bytes});
    bytes_ += bytes;
    while (bytes_ > max_bytes_ && entries_.size() > 1) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<Value> value;
    uint64_t bytes;
  };

  const uint64_t max_bytes_;
  std::mutex mutex_;          // guards all below
  std::list<Entry> entries_;  // newest first
  uint64_t bytes_ = 0;
};

}  // namespace indextts2
