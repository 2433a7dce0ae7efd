// A segment: the piece of text that the model speaks in one go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/stop_token.h"

namespace indextts2 {

struct Segment {
  int index = 0;                // within its text
  std::vector<int32_t> ids;     // text tokens, without start and stop
  size_t begin = 0, end = 0;    // bytes of the source text that it speaks; segments cover the text without a gap
  bool last = false;            // last segment of its text
};

// Cuts one text into segments, lazily. Thread-safety: one thread.
class SegmentReader {
 public:
  virtual ~SegmentReader() = default;
  // Fills *segment and returns true, or returns false after the last one (a text without tokens has none).
  // Throws Error{kTextDecode, kSettings, kCancelled}.
  virtual bool next(Segment* segment, const StopToken& stop) = 0;
};

}  // namespace indextts2
