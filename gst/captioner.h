// Decides which captions and gaps go out while speech passes by: indextts2caption without pads.
#pragma once

#include <gst/gst.h>

#include <deque>
#include <vector>

#include "caption_splitter.h"

namespace indextts2 {

// One thing for the text pad. Times ascend and do not overlap.
struct TextPiece {
  bool gap = false;
  Caption caption;  // of a gap only its times
};

// Thread-safety: one thread.
class Captioner {
 public:
  // The sound from `start` to `end` passes; `meta`: GstIndexTTS2Meta of its buffer, or null.
  void pass(GstClockTime start, GstClockTime end, const GstStructure* meta,
            const CaptionOptions& options, std::vector<TextPiece>* out);
  // The end of the sound: captions that wait for their readers go out, too.
  void finish(std::vector<TextPiece>* out);
  // A flush or a new segment: nothing is on its way.
  void reset();

 private:
  void drop_unspoken(GstClockTime since);
  void take(const GstStructure* meta, GstClockTime start, const CaptionOptions& options);

  void give_first(std::vector<TextPiece>* out);

  std::deque<Caption> waiting_;  // of the segment that is being spoken
  guint64 id_ = 0;
  gint index_ = -1;
  GstClockTime free_from_ = 0;   // end of the last caption
  GstClockTime told_until_ = 0;  // end of the last piece
};

}  // namespace indextts2
