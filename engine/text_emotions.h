// The emotions that sessions of a model ask for in words: one reader for all of them, made when the
// first text asks, and what it has read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/stop_token.h"
#include "lru_cache.h"
#include "shared_loads.h"
#include "text/emotion_answer.h"

namespace indextts2 {

// Reads emotions on one device. Thread-safety: safe.
struct EmotionReader {
  EmotionReader() = default;
  ~EmotionReader();  // leaks `read`, which holds the weights, when the process exits

  std::string device;
  // Any thread; `stop` is tested. Throws Error, and nothing else.
  std::function<EmotionScores(const std::string& text, const StopToken& stop)> read;
  std::atomic<bool> left{false};  // nobody may begin to use it
  std::mutex turn;                // one reading at a time: each takes memory for all of its text
  uint64_t num_left = 0;          // calls of leave() when its load began
};

// Must be owned by a shared_ptr: work goes on for a moment when all who asked have given up.
// Thread-safety: safe.
class TextEmotions : public std::enable_shared_from_this<TextEmotions> {
 public:
  // Makes the reader, on a thread of its own. Throws Error.
  using Load = std::function<std::shared_ptr<EmotionReader>(const StopToken& stop)>;

  // The emotions of `text`: known ones, or what the reader says on a thread of its own. Those who
  // ask for the same at the same time wait for one reading, and all for one load. Throws what
  // `load` and the reader throw, all who wait the same; the next one tries again. Error{kCancelled}
  // within 50 ms of `stop`.
  EmotionScores read(const std::string& text, const Load& load, const StopToken& stop);

  // Frees the reader when it is on `device`, once nobody uses it, and one that is being loaded
  // there meanwhile. Another is made for those who wait for it or for their turn, and for the next
  // text: `load` must not take `device` any more.
  void leave(const std::string& device);

 private:
  static constexpr uint64_t kCacheBytes = 256 << 10;

  std::shared_ptr<EmotionReader> load_reader(const std::string& key, const Load& load,
                                             const StopToken& stop);
  std::shared_ptr<EmotionReader> reader(const Load& load, const StopToken& stop);
  EmotionScores read_now(const std::string& text, const Load& load, const StopToken& stop);
  void drop(const std::shared_ptr<EmotionReader>& reader);

  LruCache<const EmotionScores> known_{kCacheBytes};
  SharedLoads<const EmotionScores> readings_;
  SharedLoads<EmotionReader> loads_;
  std::mutex mutex_;  // guards all below
  std::shared_ptr<EmotionReader> reader_;
  uint64_t num_left_ = 0;                 // calls of leave()
  std::map<std::string, uint64_t> left_;  // devices, the last of those calls that named them
  uint64_t round_ = 0;                    // of loads: a new one once its reader is of no use
};

}  // namespace indextts2
