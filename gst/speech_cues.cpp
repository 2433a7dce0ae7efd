// Where the sound of a cue goes in the stream.
#include <algorithm>
#include <utility>

#include "speech_stream.h"

namespace indextts2 {

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
  // What follows was cut off: it ends with this piece.
  auto last = std::make_shared<SegmentInfo>(*pieces.back().info);
  last->last = true;
  pieces.back().info = std::move(last);
  if (cue_mixer_.empty()) cue_mixer_.reset(timeline_.end());
  if (cue.overflow == Overflow::kOverlap) {
    append_pieces(mixed_text_, cue_mixer_.add(cue.start, std::move(pieces)));
    mixed_text_ = number;
  } else {
    append_pieces(mixed_text_, cue_mixer_.finish());
    const uint64_t end = timeline_.end();
    pieces.front().gap += cue.start > end ? cue.start - end : 0;
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

}  // namespace indextts2
