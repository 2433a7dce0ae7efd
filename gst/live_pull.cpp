// The sound side of a live stream: what pull() does on the streaming thread. See Note [Live time].
#include <algorithm>
#include <utility>

#include "errors.h"
#include "live_stream.h"

namespace indextts2 {
namespace {

void add_warning(Error error, std::vector<Notice>* notices) {
  Notice notice;
  notice.error = std::move(error);
  notices->push_back(std::move(notice));
}

}  // namespace

LiveStream::Pull LiveStream::pull(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (error_) throw Error(*error_);
  if (unlocked_ || !started_) return Pull::kFlushing;
  drop_late(notices);
  finish_silent(notices);
  choose(limit, notices);
  if (!notices->empty()) return Pull::kNotices;
  if (current_) {
    if (gap_ == 0 && !current_->segments.empty()) {
      give_sound(limit, chunk, notices);
    } else {
      const uint64_t count = gap_ > 0 ? std::min(limit, gap_) : limit;
      gap_ -= std::min(gap_, count);
      give_silence(count, chunk);
    }
    return Pull::kAudio;
  }
  if (upcoming_) {
    give_silence(std::min(limit, upcoming_at_ - cursor_), chunk);
    return Pull::kAudio;
  }
  if (draining_ && queue_.size() == 0) {
    ended_ = true;
    space_changed_.notify_all();
    return Pull::kEnd;
  }
  give_silence(limit, chunk);
  return Pull::kIdle;
}

void LiveStream::drop_late(std::vector<Notice>* notices) {
  while (const SharedText late = queue_.first_late(cursor_, settings_.max_late_samples)) {
    announcer_.drop(late->id, "late", cursor_, notices);
    queue_.remove(late->id);
    ++stats_.texts_dropped;
    late->complete = true;
    changed_.notify_all();
    space_changed_.notify_all();
  }
}

// Texts that are over without a sound: an error of theirs, or nothing that can be spoken.
void LiveStream::finish_silent(std::vector<Notice>* notices) {
  std::vector<SharedText> silent;
  for (const auto& [key, text] : queue_.all()) {
    if (text != current_ && (text->over() || text->utterance->error)) silent.push_back(text);
  }
  for (const SharedText& text : silent) {
    queue_.remove(text->id);
    if (text == upcoming_) upcoming_ = nullptr;
    space_changed_.notify_all();
    const bool heard = text->sounded && !text->failed;  // paused at its end
    announcer_.end(text->id, heard ? "done" : "error", cursor_, notices);
    if (heard || text->failed) continue;  // told already
    Error error = text->utterance->error.value_or(
        Error(ErrorCode::kSynthesis,
              "Text " + std::to_string(text->id) + " has nothing that can be spoken."));
    error.text_id = text->id;
    if (text->utterance->error && !settings_.skip_errors) throw error;
    add_warning(std::move(error), notices);
  }
}

// Decides what sounds at the cursor, or soon.
void LiveStream::choose(uint64_t limit, std::vector<Notice>* notices) {
  if (fading_ && fade_left_ == 0) end_fade(notices);
  if (fading_) return;
  if (current_ && current_->over()) finish_current(notices);
  if (!current_ && upcoming_ && cursor_ >= upcoming_at_) {
    current_ = std::move(upcoming_);
    upcoming_ = nullptr;
  }
  const uint64_t soon = cursor_ + settings_.lead_samples + limit;
  const SharedText ready = queue_.first_ready(soon, current_);
  if (!ready || ready == upcoming_) return;
  const int priority = ready->utterance->options.priority;
  if (current_ && priority > current_->utterance->options.priority) {
    stop_current(current_->utterance->resume ? nullptr : "interrupted");
    if (fade_left_ > 0) return;
    end_fade(notices);
  }
  if (upcoming_ && priority > upcoming_->utterance->options.priority) {
    announcer_.pause(upcoming_->id, cursor_, notices);
    upcoming_ = nullptr;
  }
  if (upcoming_) return;
  uint64_t free_from = previous_end_;
  if (current_) {
    // Announced ahead, as soon as the end of what sounds is known and near.
    if (!current_->complete || current_->segments.size() != 1) return;
    const uint64_t left = current_->samples() - offset_ + gap_;
    if (left > settings_.lead_samples + limit) return;
    free_from = cursor_ + left + current_->utterance->gap_samples;
  }
  const uint64_t earliest = cursor_ + settings_.lead_samples;
  if (!ready->announced) free_from += ready->utterance->break_samples;
  announce(ready, std::max({earliest, free_from, ready->utterance->not_before}), notices);
}

void LiveStream::announce(const SharedText& text, uint64_t at, std::vector<Notice>* notices) {
  announcer_.start(text->segments.front().info, at, at - cursor_, notices);
  text->announced = true;
  offset_ = current_ ? offset_ : 0;
  upcoming_ = text;
  upcoming_at_ = at;
  if (current_ || cursor_ < at) return;
  current_ = std::move(upcoming_);
  upcoming_ = nullptr;
}

// Its last sample is out.
void LiveStream::finish_current(std::vector<Notice>* notices) {
  announcer_.end(current_->id, current_->failed ? "error" : "done", cursor_, notices);
  previous_end_ = cursor_ + current_->utterance->gap_samples;
  queue_.remove(current_->id);
  ++stats_.texts_spoken;
  current_ = nullptr;
  offset_ = gap_ = 0;
  changed_.notify_all();
  space_changed_.notify_all();
}

// Fades what sounds; `reason` null: it goes on later.
void LiveStream::stop_current(const char* reason) {
  if (fading_ && !fade_reason_) {
    fade_reason_ = reason;  // cancelled while it fades for a more important one
    return;
  }
  fading_ = true;
  fade_reason_ = reason;
  const bool sounds = gap_ == 0 && offset_ > 0 && !current_->segments.empty();
  const uint64_t left = sounds ? current_->segments.front().samples->size() - offset_ : 0;
  fade_length_ = fade_left_ = std::min(settings_.fade_samples, left);
}

void LiveStream::end_fade(std::vector<Notice>* notices) {
  fading_ = false;
  fade_left_ = 0;
  if (fade_reason_) {
    announcer_.end(current_->id, fade_reason_, cursor_, notices);
  } else {
    announcer_.pause(current_->id, cursor_, notices);
  }
  if (!announcer_.is_open(current_->id)) {
    if (fade_reason_) ++stats_.texts_cancelled;
    queue_.remove(current_->id);
    current_->complete = true;
  }
  previous_end_ = cursor_;
  current_ = nullptr;
  offset_ = gap_ = 0;
  changed_.notify_all();
  space_changed_.notify_all();
}

void LiveStream::give_silence(uint64_t count, Chunk* chunk) {
  *chunk = Chunk();
  chunk->first_sample = cursor_;
  chunk->count = count;
  cursor_ += count;
  stats_.samples += count;
}

void LiveStream::give_sound(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices) {
  const LiveSegment& segment = current_->segments.front();
  const uint64_t length = segment.samples->size();
  uint64_t count = std::min(limit, length - offset_);
  *chunk = Chunk();
  if (fading_) {
    count = std::min(count, fade_left_);
    chunk->gain_step = -1.0f / static_cast<float>(fade_length_);
    chunk->gain = static_cast<float>(fade_left_) / static_cast<float>(fade_length_);
    fade_left_ -= count;
  }
  chunk->first_sample = cursor_;
  chunk->count = count;
  chunk->samples = segment.samples;
  chunk->info = segment.info;
  chunk->offset = offset_;
  current_->sounded = true;
  announcer_.sound(segment.info, offset_, count, cursor_, notices);
  if (stats_.first_audio_seconds < 0) stats_.first_audio_seconds = now_seconds() - start_seconds_;
  offset_ += count;
  cursor_ += count;
  stats_.samples += count;
  if (offset_ < length) return;
  current_->segments.pop_front();
  offset_ = 0;
  fade_left_ = 0;
  if (!current_->over()) gap_ = current_->utterance->gap_samples;
  changed_.notify_all();
}

uint64_t LiveStream::position() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return cursor_;
}

void LiveStream::move_to(uint64_t sample, std::vector<Notice>* notices) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (sample == cursor_) return;
  if (upcoming_ && sample > upcoming_at_) {
    // Its announced time has passed; it gets another one.
    announcer_.pause(upcoming_->id, cursor_, notices);
    upcoming_ = nullptr;
  }
  if (sample < cursor_) {
    previous_end_ = sample;
    if (upcoming_) upcoming_at_ = std::min(upcoming_at_, sample + settings_.lead_samples);
  }
  cursor_ = sample;
}

}  // namespace indextts2
