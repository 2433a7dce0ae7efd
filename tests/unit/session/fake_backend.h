// A backend whose answers the test gives by hand, and a reader that cuts at '|'.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "session.h"

namespace indextts2 {

// "a|b|" has the segments "a" and "b"; "" has none. `on_read` is called before each piece, also
// before the end.
class PieceReader : public SegmentReader {
 public:
  using OnRead = std::function<void(const std::string& text, int index, const StopToken& stop)>;
  PieceReader(std::string text, OnRead on_read)
      : text_(std::move(text)), on_read_(std::move(on_read)) {}

  bool next(Segment* segment, const StopToken& stop) override {
    if (on_read_) on_read_(text_, index_, stop);
    if (at_ >= text_.size()) return false;
    const size_t end = std::min(text_.find('|', at_), text_.size() - 1) + 1;
    *segment = Segment();
    segment->index = index_++;
    segment->ids.assign(text_.begin() + static_cast<long>(at_),
                        text_.begin() + static_cast<long>(end));
    segment->begin = at_;
    segment->end = end;
    segment->last = end == text_.size();
    at_ = end;
    return true;
  }

 private:
  const std::string text_;
  const OnRead on_read_;
  size_t at_ = 0;
  int index_ = 0;
};

class FakeVoice : public Voice {
 public:
  explicit FakeVoice(std::string name) : name(std::move(name)) {}
  double prompt_seconds() const override { return 1; }
  const std::string name;
};

// What the session asked for, and the test's answers. Thread-safety: safe.
class FakeBackend {
 public:
  struct Asked {
    SpeechRequest request;
    SpeechDone done;
  };
  PieceReader::OnRead on_read;
  std::function<void(const VoiceOptions&, const StopToken&)> on_voice;
  std::function<EmotionScores(const std::string&, const StopToken&)> on_emotion;
  std::function<void(const SpeechRequest&)> on_submit;
  bool answers_at_once = false;

  // Keep this object alive as long as the session and its worker.
  SessionBackend backend(int window) {
    SessionBackend backend;
    backend.open_reader = [this](std::string text, const SpeakOptions&) {
      return std::make_unique<PieceReader>(std::move(text), on_read);
    };
    backend.load_voice = [this](const VoiceOptions& options, const SpeakOptions&,
                                const StopToken& stop) {
      if (on_voice) on_voice(options, stop);
      return std::make_shared<FakeVoice>(options.speaker.path);
    };
    backend.read_emotion = [this](const std::string& text, const StopToken& stop) {
      return on_emotion ? on_emotion(text, stop) : EmotionScores{};
    };
    backend.submit = [this](SpeechRequest request, SpeechDone done) {
      if (on_submit) on_submit(request);
      if (answers_at_once) {
        ++num_asked_;
        return done(wave_for(request), nullptr);
      }
      std::lock_guard<std::mutex> lock(mutex_);
      asked_.push_back({std::move(request), std::move(done)});
      ++num_asked_;
    };
    backend.draw_seed = [this] { return seeds_ += 0x9000000000000001; };
    backend.window = [window] { return window; };
    backend.keep = alive_;
    return backend;
  }

  // A wave of one sample that names its segment.
  static Wave wave_for(const SpeechRequest& request) {
    Wave wave;
    wave.samples = {static_cast<float>(request.text_id * 1000) +
                    static_cast<float>(request.segment.index)};
    wave.device = "fake";
    return wave;
  }

  int num_asked() const { return num_asked_; }
  std::vector<Asked> take_asked() {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(asked_, {});
  }
  void answer_all() {
    for (const Asked& one : take_asked()) one.done(wave_for(one.request), nullptr);
  }
  bool session_is_gone() const { return alive_.use_count() == 1; }

 private:
  std::mutex mutex_;  // guards asked_
  std::vector<Asked> asked_;
  std::atomic<int> num_asked_{0};
  std::atomic<uint64_t> seeds_{0};
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

inline std::shared_ptr<const Voice> some_voice() {
  static const auto* const voice =
      new std::shared_ptr<const Voice>(std::make_shared<FakeVoice>("some"));
  return *voice;
}

// "x|x|x|..." of `count` segments.
inline std::string text_of(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "x|";
  return text;
}

// Waits for something that another thread is about to do; gives up after 10 s.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 10000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace indextts2
