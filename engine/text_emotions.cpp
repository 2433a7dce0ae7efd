// Emotions asked for in words.
#include "text_emotions.h"

#include <chrono>
#include <thread>
#include <utility>

#include "core/error.h"
#include "pool/reaper.h"

namespace indextts2 {
namespace {

// Not locked: the reader is left, and of no use.
std::unique_lock<std::mutex> take_turn(EmotionReader& reader, const StopToken& stop) {
  std::unique_lock<std::mutex> turn(reader.turn, std::defer_lock);
  while (!reader.left && !turn.try_lock()) {
    stop.check();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (reader.left && turn) turn.unlock();
  return turn;
}

}  // namespace

// See Note [End of threads].
EmotionReader::~EmotionReader() {
  if (reaper::exiting()) reaper::leak(std::make_shared<decltype(read)>(std::move(read)));
}

EmotionScores TextEmotions::read(const std::string& text, const Load& load, const StopToken& stop) {
  if (const auto known = known_.find(text)) return *known;
  const std::shared_ptr<const EmotionScores> scores = readings_.open(
      text,
      [self = shared_from_this(), text, load](const StopToken& all_stop, const auto& /*tell*/) {
        return std::make_shared<const EmotionScores>(self->read_now(text, load, all_stop));
      },
      stop, nullptr);
  constexpr uint64_t kEntryBytes = sizeof(EmotionScores) + 64;
  known_.insert(text, scores, text.size() + kEntryBytes);
  return *scores;
}

EmotionScores TextEmotions::read_now(const std::string& text, const Load& load,
                                     const StopToken& stop) {
  for (;;) {
    const std::shared_ptr<EmotionReader> used = reader(load, stop);
    try {
      if (const auto turn = take_turn(*used, stop)) return used->read(text, stop);
    } catch (const Error& error) {
      // The device is gone or full: the next reader may be on another, and this one's memory helps.
      if (error.code == ErrorCode::kDeviceLost || error.code == ErrorCode::kNoMemory) drop(used);
      throw;
    }
  }
}

// Not `left`, at this moment.
std::shared_ptr<EmotionReader> TextEmotions::reader(const Load& load, const StopToken& stop) {
  for (;;) {
    uint64_t round;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (reader_) return reader_;
      round = round_;
    }
    std::shared_ptr<EmotionReader> made = load_reader(std::to_string(round), load, stop);
    std::lock_guard<std::mutex> lock(mutex_);
    const auto left = left_.find(made->device);
    if (left != left_.end() && left->second > made->num_left) made->left = true;
    if (!made->left) {
      if (!reader_) reader_ = made;
      return made;
    }
    // Some may still be waiting for that load: nobody joins them.
    if (round == round_) ++round_;
  }
}

std::shared_ptr<EmotionReader> TextEmotions::load_reader(const std::string& key, const Load& load,
                                                         const StopToken& stop) {
  const auto begin = [self = shared_from_this(), load](const StopToken& all_stop, const auto&) {
    uint64_t num_left;
    {
      std::lock_guard<std::mutex> lock(self->mutex_);
      num_left = self->num_left_;
    }
    auto made = load(all_stop);
    made->num_left = num_left;
    return made;
  };
  return loads_.open(key, begin, stop, nullptr, [](const EmotionReader& one) { return !one.left; });
}

void TextEmotions::drop(const std::shared_ptr<EmotionReader>& reader) {
  std::shared_ptr<EmotionReader> dropped;  // goes without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  reader->left = true;
  if (reader_ == reader) dropped.swap(reader_);
}

void TextEmotions::leave(const std::string& device) {
  std::shared_ptr<EmotionReader> current;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    current = reader_;
    left_[device] = ++num_left_;
  }
  if (current && current->device == device) drop(current);
}

}  // namespace indextts2
