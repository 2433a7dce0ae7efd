// Giving up texts of a stream before they are spoken to their end.
#include <algorithm>
#include <limits>
#include <utility>

#include "speech_stream.h"

namespace indextts2 {

bool SpeechStream::cancel(uint64_t id, std::vector<Notice>* notices) {
  if (id == 0) return false;  // what a refused speak has answered
  auto wanted = [id](size_t number, const ScriptText& text) {
    return number + 1 == id || text.utterance->first_id == id;
  };
  return cancel_texts(wanted, "cancelled", notices) > 0;
}

size_t SpeechStream::cancel_all(bool include_current, std::vector<Notice>* notices) {
  auto wanted = [&](size_t number, const ScriptText&) {
    return include_current || number + 1 != announcer_.current();
  };
  return cancel_texts(wanted, "cancelled", notices);
}

void SpeechStream::cancel_pad_texts(std::vector<Notice>* notices) {
  cancel_texts([](size_t, const ScriptText& text) { return text.utterance->from_pad; }, "flush",
               notices);
}

// Texts not spoken to their end. `reason` "flush": dropped, and what sounds is cut.
size_t SpeechStream::cancel_texts(const Wanted& wanted, const char* reason,
                                  std::vector<Notice>* notices) {
  std::shared_ptr<Session> session;
  std::vector<uint64_t> ids;
  size_t count = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session = session_;
    const bool flush = std::string(reason) == "flush";
    for (size_t number = flush ? script_.first() : script_.next_end; number < script_.size();
         ++number) {
      ScriptText& text = script_.at(number);
      if (text.cancelled || !wanted(number, text)) continue;
      if (!flush && !announcer_.is_open(number + 1)) continue;  // its last sample is out
      text.cancelled = true;
      ++count;
      script_.release(number);
      if (number >= script_.next_end && text.session_id != 0) ids.push_back(text.session_id);
      if (flush) {
        announcer_.drop(number + 1, reason, cursor_, notices);
        ++stats_.texts_dropped;
      } else {
        announcer_.end(number + 1, reason, cursor_, notices);
        ++stats_.texts_cancelled;
      }
    }
    if (flush) {
      cue_.clear();
      cue_mixer_.reset(0);
      passed_.clear();
      cut_silence();
    }
    cut_playing(flush ? 0 : settings_.fade_samples);
    space_changed_.notify_all();
    wake_pull();
  }
  for (uint64_t id : ids) session->cancel(id);
  return count;
}

// Time that upstream has passed and takes back.
void SpeechStream::cut_silence() {
  const size_t playing = timeline_.find(cursor_);
  if (playing >= timeline_.size() || timeline_.at(playing).text != kNoText) return;
  timeline_.restart(cursor_);
  feed_ = timeline_.size();
}

// What is left of the record being played goes, too, if its text is cancelled; `fade` more samples
// of it sound.
void SpeechStream::cut_playing(uint64_t fade) {
  const size_t playing = timeline_.find(cursor_);
  if (playing >= timeline_.size()) return;
  const Record cut = timeline_.at(playing);
  if (cut.text == kNoText || !script_.at(cut.text).cancelled) return;
  timeline_.restart(cursor_);
  const uint64_t inside = cursor_ - cut.start;
  if (cut.samples && inside >= cut.gap && fade > 0) {
    const uint64_t spoken = inside - cut.gap;
    std::vector<float> tail(std::min(fade, cut.count - spoken));
    for (size_t i = 0; i < tail.size(); ++i) {
      const float gain = 1.0f - static_cast<float>(i + 1) / static_cast<float>(tail.size());
      tail[i] = gain * (*cut.samples)[spoken + i];
    }
    timeline_.append(cut.text, 0, std::move(tail), nullptr);
  }
  feed_ = timeline_.size();
  history_complete_ = false;
}

}  // namespace indextts2
