// Captions at their times.
#include "captioner.h"

#include <algorithm>
#include <utility>

namespace indextts2 {

void Captioner::reset() { *this = Captioner(); }

void Captioner::drop_unspoken(GstClockTime since) {
  while (!waiting_.empty() && waiting_.back().spoken_end > since) waiting_.pop_back();
}

// A buffer of a segment that was not seen before brings its captions.
void Captioner::take(const GstStructure* meta, GstClockTime start, const CaptionOptions& options) {
  guint64 id = 0, position = 0, duration = 0;
  gint index = -1;
  gst_structure_get(meta, "id", G_TYPE_UINT64, &id, "index", G_TYPE_INT, &index, "position",
                    G_TYPE_UINT64, &position, "duration", G_TYPE_UINT64, &duration, nullptr);
  const char* text = gst_structure_get_string(meta, "text");
  if ((id == id_ && index == index_) || !text) return;
  id_ = id;
  index_ = index;
  drop_unspoken(start);
  if (!waiting_.empty()) free_from_ = waiting_.back().end;
  const GstClockTime begin = start > position ? start - position : 0;
  for (Caption& caption : split_caption(text, begin, duration, free_from_, options)) {
    if (caption.spoken_end > start) waiting_.push_back(std::move(caption));
  }
}

void Captioner::give_first(std::vector<TextPiece>* out) {
  TextPiece piece;
  piece.caption = std::move(waiting_.front());
  waiting_.pop_front();
  free_from_ = told_until_ = piece.caption.end;
  out->push_back(std::move(piece));
}

void Captioner::finish(std::vector<TextPiece>* out) {
  while (!waiting_.empty()) give_first(out);
}

void Captioner::pass(GstClockTime start, GstClockTime end, const GstStructure* meta,
                     const CaptionOptions& options, std::vector<TextPiece>* out) {
  if (meta) {
    take(meta, start, options);
  } else {
    // The speech is over, perhaps before its end: what was not spoken is not shown.
    drop_unspoken(end);
    id_ = 0;
    index_ = -1;
  }
  while (!waiting_.empty() && waiting_.front().start < end) give_first(out);
  if (told_until_ >= end) return;
  TextPiece gap;
  gap.gap = true;
  gap.caption.start = std::max(told_until_, start);
  gap.caption.end = end;
  told_until_ = end;
  out->push_back(std::move(gap));
}

}  // namespace indextts2
