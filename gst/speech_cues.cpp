// Where the sound of a cue goes in the stream.
#include <algorithm>
#include <utility>

#include "speech_stream.h"

namespace indextts2 {
namespace {

// What follows the last piece was cut off: the text ends with it. Each has its share of the cue's
// time (`length`; 0: not known).
void settle_infos(uint64_t length, CuePieces* pieces) {
  uint64_t silent = 0, spoken = 0;
  for (const CuePiece& piece : *pieces) {
    silent += piece.gap;
    spoken += piece.samples.size();
  }
  for (CuePiece& piece : *pieces) {
    auto info = std::make_shared<SegmentInfo>(*piece.info);
    info->last = &piece == &pieces->back();
    if (length > silent && spoken > 0) {
      info->fitting_samples = (length - silent) * piece.samples.size() / spoken;
    }
    piece.info = std::move(info);
  }
}

}  // namespace

// With the mutex. `number`: the text whose sound is in cue_. False: nothing of
// it is left.
bool SpeechStream::lay_out_cue(size_t number) {
  const Cue& cue = *script_.at(number).utterance->cue;
  if (cue.length > 0 && cue.overflow == Overflow::kClip) {
    clip_cue(cue.length, settings_.fade_samples, &cue_);
  } else if (cue.length > 0 && cue.overflow == Overflow::kCompress) {
    compress_cue(cue.length, &cue_);
  }
  CuePieces pieces = std::move(cue_);
  cue_.clear();
  if (pieces.empty()) return false;
  settle_infos(cue.length, &pieces);
  const uint64_t start = running_zero_ + cue.start;
  if (cue_mixer_.empty()) cue_mixer_.reset(timeline_.end());
  if (cue.overflow == Overflow::kOverlap) {
    append_pieces(mixed_text_, cue_mixer_.add(start, std::move(pieces)));
    mixed_text_ = number;
  } else {
    append_pieces(mixed_text_, cue_mixer_.finish());
    const uint64_t end = timeline_.end();
    pieces.front().gap += start > end ? start - end : 0;
    append_pieces(number, std::move(pieces));
  }
  feed_ = timeline_.size();
  return true;
}

void SpeechStream::append_pieces(size_t number, CuePieces pieces) {
  for (CuePiece& piece : pieces) {
    timeline_.append(number, piece.gap, std::move(piece.samples), std::move(piece.info));
  }
}

void SpeechStream::pass_time(uint64_t until) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!started_ || pad_flushing_ || draining_ || ended_) return;
  if (!passed_.empty() && passed_.back().texts == script_.size()) {
    passed_.back().until = std::max(passed_.back().until, until);
  } else {
    passed_.push_back({script_.size(), until});
  }
  wake_pull();
}

// With the mutex. Of time that the stream can go on to: the texts before it have ended.
bool SpeechStream::time_has_passed() const {
  return !passed_.empty() && passed_.front().texts <= script_.next_end;
}

// With the mutex. The stream goes on to where the time has got, so that nobody downstream waits for
// the next cue.
void SpeechStream::add_silence() {
  while (time_has_passed()) {
    const uint64_t until = running_zero_ + passed_.front().until;
    passed_.pop_front();
    const bool caught_up = feed_ == timeline_.size();
    append_pieces(mixed_text_, cue_mixer_.pass(until));
    if (cue_mixer_.empty() && until > timeline_.end()) {
      timeline_.append_silence(until - timeline_.end());
      history_complete_ = false;  // seeking back knows texts only
    }
    if (caught_up) feed_ = timeline_.size();
  }
}

}  // namespace indextts2
