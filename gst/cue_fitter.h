// Speech of one cue against the time that the cue has.
#pragma once

#include <cstdint>
#include <vector>

#include "segment_info.h"
#include "settings.h"

namespace indextts2 {

// One segment of a cue: `gap` silent samples, then its sound.
struct CuePiece {
  uint64_t gap = 0;
  std::vector<float> samples;
  SharedInfo info;
  uint64_t size() const { return gap + samples.size(); }
};
using CuePieces = std::vector<CuePiece>;

uint64_t length_of(const CuePieces& pieces);

// Cuts off what is behind `length` samples; the last `fade` of them fade.
void clip_cue(uint64_t length, uint64_t fade, CuePieces* pieces);

// Speaks faster with the pitch kept, so that the cue takes `length` samples, as far as
// kMaxCompression allows. Sound and gaps alike.
inline constexpr double kMaxCompression = 2.0;
void compress_cue(uint64_t length, CuePieces* pieces);

// Cues that may sound at the same time, added up. Thread-safety: one thread.
class CueMixer {
 public:
  // A cue from sample `start` on, not before that of the cue before it. Gives out, in order, what
  // is certain to have no other cue on it.
  CuePieces add(uint64_t start, CuePieces pieces);
  // Gives out the pieces that end by sample `time`, before which no other cue will begin.
  CuePieces pass(uint64_t time);
  // What is left.
  CuePieces finish();
  void reset(uint64_t position);
  bool empty() const { return held_.empty(); }

 private:
  CuePieces take_before(uint64_t time);

  CuePieces held_;         // from position_ on
  uint64_t position_ = 0;  // of the next sample to give out
};

}  // namespace indextts2
