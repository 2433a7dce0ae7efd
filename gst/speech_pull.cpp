// The sound side of a stream: what pull() does on the streaming thread.
#include <algorithm>
#include <utility>

#include "errors.h"
#include "speech_stream.h"

namespace indextts2 {

constexpr size_t kSoughtTexts = 1000;

SpeechStream::Pull SpeechStream::pull(uint64_t limit, Chunk* chunk, std::vector<Notice>* notices) {
  for (;;) {
    Need need;
    if (auto answer = serve(limit, chunk, notices, &need)) return *answer;
    switch (need) {
      case Need::kLoad:
        await_load(notices);
        break;
      case Need::kSession:
        open_session();
        break;
      case Need::kText: {
        std::unique_lock<std::mutex> lock(mutex_);
        texts_changed_.wait(lock, [&] {
          return unlocked_ || !input_open() || script_.next_end < script_.size() ||
                 time_has_passed();
        });
        break;
      }
      case Need::kWave:
        push_texts();
        take_wave(notices);
        break;
    }
  }
}

// Answers from what is at hand, or says what is needed first.
std::optional<SpeechStream::Pull> SpeechStream::serve(uint64_t limit, Chunk* chunk,
                                                      std::vector<Notice>* notices, Need* need) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (unlocked_ || !started_) return Pull::kFlushing;
  if (time_has_passed()) add_silence();
  if (!input_open() && script_.next_end == script_.size() && !cue_mixer_.empty()) {
    append_pieces(mixed_text_, cue_mixer_.finish());
    feed_ = timeline_.size();
  }
  tell_duration(notices);
  if (!notices->empty()) return Pull::kNotices;
  if (cursor_ < stop_ && timeline_.read(cursor_, std::min(limit, stop_ - cursor_), chunk)) {
    cursor_ += chunk->count;
    stats_.samples += chunk->count;
    if (chunk->info) {
      announcer_.sound(chunk->info, chunk->offset, chunk->count, chunk->first_sample, notices);
    }
    if (stats_.first_audio_seconds < 0) {
      stats_.first_audio_seconds = now_seconds() - start_seconds_;
    }
    forget_history();
    return Pull::kAudio;
  }
  const size_t wanted = timeline_.find(cursor_);
  const bool known = wanted < timeline_.size();  // spoken before, but its sound is gone
  if (tell_unspeakable(notices)) return Pull::kNotices;
  const bool all_spoken = !known && script_.next_end == script_.size();
  if (cursor_ >= stop_ || (all_spoken && !input_open())) {
    ended_ = true;
    space_changed_.notify_all();
    return Pull::kEnd;
  }
  if (!engine_) {
    *need = load_ || !all_spoken ? Need::kLoad : Need::kText;
  } else if (!session_ || (known && wanted < feed_)) {
    *need = Need::kSession;
  } else {
    *need = all_spoken ? Need::kText : Need::kWave;
  }
  return std::nullopt;
}

// The texts at the head of the script that never reach the session: flushed or with an error of
// their own.
bool SpeechStream::tell_unspeakable(std::vector<Notice>* notices) {
  while (script_.next_end < script_.size()) {
    ScriptText& text = script_.at(script_.next_end);
    const bool flushed =
        text.cancelled && text.session_id == 0 && script_.next_end < script_.next_push;
    if (!flushed && !text.utterance->error && !(text.cancelled && !session_)) break;
    Error error = text.utterance->error.value_or(Error(ErrorCode::kCancelled, "flushed"));
    error.text_id = script_.next_end + 1;
    bool tell = !text.cancelled && !text.told;
    text.told = true;
    script_.release(script_.next_end++);
    script_.next_push = std::max(script_.next_push, script_.next_end);
    space_changed_.notify_all();
    announcer_.end(script_.next_end, text.cancelled ? "cancelled" : "error", cursor_, notices);
    if (!tell) continue;
    if (!settings_.skip_errors) throw error;
    Notice notice;
    notice.error = error;
    notices->push_back(std::move(notice));
  }
  return !notices->empty();
}

void SpeechStream::tell_duration(std::vector<Notice>* notices) {
  const size_t texts = script_.size();
  const bool last_text_heard =
      script_.next_end + 1 == texts && script_.at(script_.next_end).last_heard;
  const bool complete =
      !input_open() && texts > 0 && (script_.next_end == texts || last_text_heard);
  uint64_t duration = kNoSample;
  if (told_duration_ != kNoSample && told_texts_ == texts) {
    duration = told_duration_;  // a seek back does not make it unknown
  } else if (complete) {
    duration = timeline_.end();
  }
  if (duration == told_duration_) return;
  told_duration_ = duration;
  told_texts_ = texts;
  Notice notice;
  notice.kind = Notice::Kind::kDuration;
  notice.samples = duration;
  if (complete && history_complete_ && !pad_linked_) {
    for (size_t i = timeline_.first(); i < timeline_.size(); ++i) {
      const Record& record = timeline_.at(i);
      if (record.info) {
        notice.chapters.push_back({record.info->text, record.start + record.gap, record.end()});
      }
    }
  }
  notices->push_back(std::move(notice));
}

// What was heard is kept where it can be sought: not with a linked pad, not after a cut, and in a
// stream without an end, which may go on for days, for its first texts only.
void SpeechStream::forget_history() {
  const bool endless = settings_.keep_alive && script_.size() > kSoughtTexts;
  if (!pad_linked_ && history_complete_ && !endless) return;
  history_complete_ = false;
  timeline_.drop_before(cursor_);
  size_t needed = script_.next_end;
  if (!cue_mixer_.empty()) needed = std::min(needed, mixed_text_);
  size_t record = timeline_.first();
  while (record < timeline_.size() && timeline_.at(record).text == kNoText) ++record;
  if (record < timeline_.size()) needed = std::min(needed, timeline_.at(record).text);
  script_.drop_before(needed);
}

namespace {

// Once per engine, not again when the element comes back from READY.
void tell_odd_files(const std::vector<std::string>& warnings, std::vector<Notice>* notices) {
  for (const std::string& warning : warnings) {
    Notice notice;
    notice.error = Error(ErrorCode::kModel, warning);
    notices->push_back(std::move(notice));
  }
}

}  // namespace

void SpeechStream::await_load(std::vector<Notice>* notices) {
  std::shared_ptr<EngineLoad> load;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!started_ || unlocked_) return;
    if (!load_) load_ = begin_load_();
    load = load_;
  }
  std::vector<Progress> steps;
  switch (load->wait(&steps)) {
    case EngineLoad::Step::kInterrupted:
      return;
    case EngineLoad::Step::kProgress:
      for (Progress& step : steps) {
        Notice notice;
        notice.kind = Notice::Kind::kProgress;
        notice.progress = std::move(step);
        notices->push_back(std::move(notice));
      }
      return;
    case EngineLoad::Step::kDone: {
      std::shared_ptr<Engine> engine = load->engine();
      std::vector<std::string> warnings = engine->model().warnings;
      std::lock_guard<std::mutex> lock(mutex_);
      if (load_ != load) return;
      Notice done;
      done.kind = Notice::Kind::kLoaded;
      done.error = load->voice_error();
      notices->push_back(std::move(done));
      if (engine != kept_engine_) tell_odd_files(warnings, notices);
      engine_ = kept_engine_ = std::move(engine);
      return;
    }
  }
}

// A session that starts at the record under the cursor, or at the first text not yet spoken.
void SpeechStream::open_session() {
  std::shared_ptr<Engine> engine;
  SessionOptions options;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    engine = engine_;
    options = session_options_;
  }
  std::shared_ptr<Session> opened = engine->open_session(options), replaced;
  bool interrupt;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!started_) return;
    replaced = std::move(session_);
    session_ = opened;
    ++session_number_;
    const size_t wanted = timeline_.find(cursor_);
    feed_ = wanted;
    first_segment_ = 0;
    size_t text = script_.next_end;
    if (wanted < timeline_.size()) {
      text = timeline_.at(wanted).text;
      first_segment_ = timeline_.at(wanted).segment;
    }
    script_.next_push = script_.next_end = text;
    for (size_t number = text; number < script_.size(); ++number) script_.at(number).session_id = 0;
    interrupt = unlocked_;
  }
  if (interrupt) opened->interrupt();
}

void SpeechStream::take_wave(std::vector<Notice>* notices) {
  std::shared_ptr<Session> session;
  bool expected;  // the session has a text whose end it has not told yet
  {
    std::lock_guard<std::mutex> lock(mutex_);
    session = session_;
    expected = script_.next_end < script_.next_push && script_.at(script_.next_end).session_id != 0;
  }
  if (!session) return;
  Wave wave;
  Next next;
  try {
    next = session->next(&wave, /*wait_when_idle=*/false);
  } catch (const Error& error) {
    handle_error(error, notices);
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  if (next == Next::kWave || next == Next::kTextEnd) settle_head(&lock, notices);
  switch (next) {
    case Next::kWave:
      add_wave(std::move(wave), notices);
      break;
    case Next::kTextEnd:
      end_text(notices);
      break;
    case Next::kIdle:
      if (expected) {
        throw Error(ErrorCode::kInternal, "The speech engine lost a text.",
                    "idle before the end of text " + std::to_string(script_.next_end));
      }
      // Another thread is handing a text over right now.
      texts_changed_.wait(lock, [&] { return unlocked_ || !pushing_; });
      break;
    case Next::kInterrupted:
      // unlock_stop() never runs beside pull(): the session should have been resumed.
      if (!unlocked_) throw Error(ErrorCode::kInternal, "The speech engine did not go on.");
      break;
    case Next::kEnd:
      throw Error(ErrorCode::kInternal, "The speech engine ended the session by itself.");
  }
}

// The session has told something of a text: makes it the one at next_end. Texts before it that
// never reached the session are passed over, and it may be so new that the thread which hands it
// over has not written that down yet.
void SpeechStream::settle_head(std::unique_lock<std::mutex>* lock, std::vector<Notice>* notices) {
  tell_unspeakable(notices);
  // Without a stop condition: push() returns at once, and what was told must not get lost.
  texts_changed_.wait(*lock, [&] { return script_.next_end < script_.next_push || !pushing_; });
}

// Called with mutex_ held.
void SpeechStream::add_wave(Wave wave, std::vector<Notice>* notices) {
  const size_t number = script_.next_end;
  if (number >= script_.next_push) return;
  ScriptText& text = script_.at(number);
  if (wave.text_id != text.session_id) {
    throw Error(ErrorCode::kInternal, "The speech engine spoke the texts out of order.",
                "expected text " + std::to_string(text.session_id) + ", got " +
                    std::to_string(wave.text_id));
  }
  if (text.cancelled) return;
  text.heard = true;
  // The sound of a cue is laid out when all of it is there.
  text.last_heard = text.last_heard || (wave.last && !text.utterance->cue);
  stats_.device_first_seconds.emplace(wave.device, now_seconds() - start_seconds_);
  const bool again = feed_ < timeline_.size();
  if (wave.capped && !again) {
    Notice notice;
    notice.error = capped_error(number + 1, wave.segment);
    notices->push_back(std::move(notice));
  }
  if (!again) {
    SharedInfo info = take_segment(&wave, number + 1, *text.utterance, &text.loudness);
    if (text.utterance->cue) {
      cue_.push_back({cue_.empty() ? 0 : text.utterance->gap_samples, std::move(wave.samples),
                      std::move(info)});
      return;
    }
    const uint64_t gap = (timeline_.fresh() ? 0 : text.utterance->gap_samples) +
                         (info->index == 0 ? text.utterance->break_samples : 0);
    timeline_.append(number, gap, std::move(wave.samples), std::move(info));
    feed_ = timeline_.size();
    return;
  }
  // A segment that failed this time leaves its record silent, so that the rest stays in place.
  auto key = std::make_pair(number, wave.segment);
  auto key_of = [&](size_t i) {
    return std::make_pair(timeline_.at(i).text, timeline_.at(i).segment);
  };
  while (feed_ < timeline_.size() && key_of(feed_) < key) timeline_.refill(feed_++, {});
  if (feed_ < timeline_.size() && key_of(feed_) == key) {
    if (timeline_.at(feed_).info) apply_gain(timeline_.at(feed_).info->gain, &wave.samples);
    timeline_.refill(feed_++, std::move(wave.samples));
  }
}

// Called with mutex_ held.
void SpeechStream::end_text(std::vector<Notice>* notices) {
  if (script_.next_end >= script_.next_push) return;
  const size_t number = script_.next_end++;
  ScriptText& text = script_.at(number);
  if (text.bytes > 0 && text.heard) ++stats_.texts_spoken;
  script_.release(number);
  while (feed_ < timeline_.size() && timeline_.at(feed_).text <= number) {
    timeline_.refill(feed_++, {});
  }
  if (!text.heard && !text.cancelled && !text.told) {
    Notice notice;
    notice.error = Error(ErrorCode::kSynthesis,
                         "Text " + std::to_string(number + 1) + " has nothing that can be spoken.");
    notice.error->text_id = number + 1;
    notices->push_back(std::move(notice));
    text.told = true;
  }
  const bool sounds = text.utterance->cue && !text.cancelled && lay_out_cue(number);
  cue_.clear();
  // A cue ends when it has sounded.
  if (!sounds || text.told) {
    announcer_.end(number + 1, text.heard && !text.told ? "done" : "error", cursor_, notices);
  }
  forget_history();
  space_changed_.notify_all();
}

void SpeechStream::handle_error(const Error& error, std::vector<Notice>* notices) {
  if (error.code == ErrorCode::kCancelled) return;
  if (!is_content_error(error)) throw error;
  std::unique_lock<std::mutex> lock(mutex_);
  settle_head(&lock, notices);
  const size_t number = script_.next_end;
  if (number >= script_.next_push) throw error;
  ScriptText& text = script_.at(number);
  Error told = error;
  told.text_id = number + 1;
  const bool known = std::exchange(text.told, true);
  if (!settings_.skip_errors) {
    announcer_.end(number + 1, "error", cursor_, notices);
    throw told;
  }
  if (known || text.cancelled) return;
  Notice notice;
  notice.error = std::move(told);
  notices->push_back(std::move(notice));
}

}  // namespace indextts2
