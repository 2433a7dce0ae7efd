// Pieces of the stream as GstBuffers: format, timestamps by sample count.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "timeline.h"

namespace indextts2 {

// Time of sample `sample`, rounded down: never a sum of rounded durations, so it does not drift.
GstClockTime time_of_sample(uint64_t sample);

// First sample at or after `time`; exact for every time_of_sample().
uint64_t sample_at(GstClockTime time);

// A buffer of its own memory (it may outlive the element) in F32LE or S16LE, with PTS, duration and
// offsets in samples. Silence between segments carries the GAP flag, speech GstIndexTTS2Meta. S16LE
// = lrint(32767 * clamp(y, -1, 1)).
GstBuffer* make_buffer(const Chunk& chunk, GstAudioFormat format);

}  // namespace indextts2
