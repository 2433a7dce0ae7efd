// What took the memory of the devices, by part.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace indextts2 {

// Books what a device's memory in use has grown by since its last mark. Thread-safety: safe; of
// parts that are made at the same time on one device only the sum is right.
class MemoryMarks {
 public:
  using MemoryUsed = std::function<uint64_t(const std::string& device)>;
  using Parts = std::map<std::string, int64_t>;  // bytes; less than 0: memory was given back

  explicit MemoryMarks(MemoryUsed used);

  // From here on nothing but what follows is counted on `device`, unless that began before.
  void begin(const std::string& device);
  // What came since the last mark is `part`.
  void mark(const std::string& device, const std::string& part);
  // By device; "since": what came after the last mark.
  std::map<std::string, Parts> parts() const;

 private:
  struct Book {
    uint64_t last = 0;
    Parts parts;
  };
  const MemoryUsed used_;
  mutable std::mutex mutex_;  // guards books_
  std::map<std::string, Book> books_;
};

}  // namespace indextts2
