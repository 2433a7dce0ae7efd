// One spoken segment as captions: lines of a given width, times in proportion to the letters.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

namespace indextts2 {

struct CaptionOptions {
  guint width = 42;          // characters of a line, > 0
  guint lines = 2;           // of a caption, > 0
  guint reading_speed = 20;  // characters per second; 0: as fast as it is spoken
};

struct Caption {
  std::string text;  // lines parted by '\n'
  GstClockTime start = 0, end = 0;
  // The end of its words; `end` may be later, for slow readers.
  GstClockTime spoken_end = 0;
};

// Captions of `text` spoken from `start` for `duration`. They begin not before `free_from`, the end
// of the caption before them, which may be late by kMaxLag at most. Words are kept whole unless
// longer than a line; valid UTF-8.
inline constexpr GstClockTime kMaxLag = 2 * GST_SECOND;
std::vector<Caption> split_caption(const std::string& text, GstClockTime start,
                                   GstClockTime duration, GstClockTime free_from,
                                   const CaptionOptions& options);

}  // namespace indextts2
