// GstIndexTTS2Meta: which words a buffer of speech carries.
#pragma once

#include <gst/gst.h>

#include "segment_info.h"

namespace indextts2 {

// A custom meta without tags: elements that convert, resample or filter keep it. Its structure has
//   id uint64, index int, text string, text-offset and text-length uint64 (bytes of the utterance),
//   last-segment boolean, voice and device string (device may be empty), seed uint64,
//   position and duration GstClockTime (place of the buffer in its segment, length of the segment),
//   first and last boolean (first or last buffer of the segment).
inline constexpr char kSpeechMetaName[] = "GstIndexTTS2Meta";

// Once per process, before any buffer.
void register_speech_meta();

// `offset`, `count`: samples of the segment in this buffer. Of a text with a timestamp also a
// reference timestamp meta of caps timestamp/x-indextts2-text; of a whole segment of a cue with a
// duration also GstScaletempoTargetDurationMeta, where GStreamer has it.
void add_speech_meta(GstBuffer* buffer, const SegmentInfo& info, uint64_t offset, uint64_t count);

// The structure of the buffer's meta; null: it has none.
const GstStructure* speech_meta_of(GstBuffer* buffer);

}  // namespace indextts2
