// One structure for each kind of event.
#include "event_messages.h"

#include <algorithm>

#include "audio_slicer.h"

namespace indextts2 {
namespace {

// Running and stream time of a sample of the stream.
void set_times(GstBaseSrc* source, uint64_t sample, GstStructure* out) {
  GST_OBJECT_LOCK(source);
  const GstSegment segment = source->segment;
  GST_OBJECT_UNLOCK(source);
  const GstClockTime time = time_of_sample(sample);
  GstClockTime running = time, stream = time;
  if (segment.format == GST_FORMAT_TIME) {
    // The end of the last sample may lie behind the stop of a segment.
    gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, time, &running);
    gst_segment_to_stream_time_full(&segment, GST_FORMAT_TIME, time, &stream);
  }
  gst_structure_set(out, "running-time", GST_TYPE_CLOCK_TIME, running, "stream-time",
                    GST_TYPE_CLOCK_TIME, stream, nullptr);
}

const char* name_of(UtteranceEvent::Kind kind) {
  switch (kind) {
    case UtteranceEvent::Kind::kQueued:
      return "indextts2/utterance-queued";
    case UtteranceEvent::Kind::kStart:
      return "indextts2/utterance-start";
    case UtteranceEvent::Kind::kSegmentStart:
      return "indextts2/segment-start";
    case UtteranceEvent::Kind::kSegmentEnd:
      return "indextts2/segment-end";
    case UtteranceEvent::Kind::kPaused:
      return "indextts2/utterance-paused";
    case UtteranceEvent::Kind::kResumed:
      return "indextts2/utterance-resumed";
    case UtteranceEvent::Kind::kEnd:
      return "indextts2/utterance-end";
    case UtteranceEvent::Kind::kDropped:
      break;
  }
  return "indextts2/utterance-dropped";
}

void set_segment(const SegmentInfo& info, GstStructure* out) {
  const double seconds = static_cast<double>(info.samples) / kSampleRateHz;
  gst_structure_set(
      out, "index", G_TYPE_INT, info.index, "text", G_TYPE_STRING, info.text.c_str(), "text-offset",
      G_TYPE_UINT64, static_cast<guint64>(info.begin), "text-length", G_TYPE_UINT64,
      static_cast<guint64>(info.end - info.begin), "duration", GST_TYPE_CLOCK_TIME,
      time_of_sample(info.samples), "synth-time", GST_TYPE_CLOCK_TIME,
      static_cast<GstClockTime>(info.synthesis_seconds * GST_SECOND), "rtf", G_TYPE_DOUBLE,
      seconds > 0 ? info.synthesis_seconds / seconds : 0.0, "device", G_TYPE_STRING,
      info.device.c_str(), "seed", G_TYPE_UINT64, static_cast<guint64>(info.seed), nullptr);
}

// From the bytes of the first segment: only that one is sure to be spoken yet.
void set_expected(const UtteranceEvent& event, GstStructure* out) {
  const SegmentInfo& info = *event.info;
  GstClockTime expected = time_of_sample(info.samples);
  const size_t bytes = info.end - info.begin;
  if (event.utterance && !info.last && bytes > 0) {
    const size_t left =
        event.utterance->text.size() - std::min(event.utterance->text.size(), info.begin);
    expected = gst_util_uint64_scale(expected, left, bytes);
  }
  gst_structure_set(out, "voice", G_TYPE_STRING, info.voice.c_str(), "index", G_TYPE_INT,
                    info.index, "lead-time", GST_TYPE_CLOCK_TIME,
                    time_of_sample(event.lead_samples), "expected-duration", GST_TYPE_CLOCK_TIME,
                    expected, nullptr);
}

// Marks of the segment that starts, their times in proportion to the bytes before them.
void post_marks(GstBaseSrc* source, const UtteranceEvent& event) {
  const SegmentInfo& info = *event.info;
  for (const Mark& mark : event.utterance->marks) {
    const bool behind_the_end = info.last && mark.offset >= info.end;
    if (mark.offset < info.begin || (mark.offset >= info.end && !behind_the_end)) continue;
    const size_t before = std::min(mark.offset, info.end) - info.begin;
    const size_t bytes = std::max<size_t>(info.end - info.begin, 1);
    GstStructure* const out =
        gst_structure_new("indextts2/mark", "id", G_TYPE_UINT64, static_cast<guint64>(event.id),
                          "name", G_TYPE_STRING, mark.name.c_str(), nullptr);
    set_times(source, event.sample + info.samples * before / bytes, out);
    gst_element_post_message(GST_ELEMENT(source), gst_message_new_element(GST_OBJECT(source), out));
  }
}

}  // namespace

void post_event(GstBaseSrc* source, const UtteranceEvent& event) {
  GstStructure* const out = gst_structure_new(name_of(event.kind), "id", G_TYPE_UINT64,
                                              static_cast<guint64>(event.id), nullptr);
  if (event.utterance && !event.utterance->user_data.empty()) {
    gst_structure_set(out, "user-data", G_TYPE_STRING, event.utterance->user_data.c_str(), nullptr);
  }
  if (event.kind != UtteranceEvent::Kind::kQueued) set_times(source, event.sample, out);
  switch (event.kind) {
    case UtteranceEvent::Kind::kQueued:
      gst_structure_set(out, "bytes", G_TYPE_UINT64,
                        static_cast<guint64>(event.utterance->text.size()), nullptr);
      break;
    case UtteranceEvent::Kind::kStart:
    case UtteranceEvent::Kind::kResumed:
      set_expected(event, out);
      break;
    case UtteranceEvent::Kind::kSegmentStart:
    case UtteranceEvent::Kind::kSegmentEnd:
      set_segment(*event.info, out);
      break;
    case UtteranceEvent::Kind::kEnd:
      gst_structure_set(out, "reason", G_TYPE_STRING, event.reason.c_str(), nullptr);
      [[fallthrough]];
    case UtteranceEvent::Kind::kPaused:
      gst_structure_set(out, "heard", G_TYPE_UINT64, static_cast<guint64>(event.heard), nullptr);
      break;
    case UtteranceEvent::Kind::kDropped:
      gst_structure_set(out, "reason", G_TYPE_STRING, event.reason.c_str(), nullptr);
      break;
  }
  gst_element_post_message(GST_ELEMENT(source), gst_message_new_element(GST_OBJECT(source), out));
  if (event.kind == UtteranceEvent::Kind::kSegmentStart && event.utterance) {
    post_marks(source, event);
  }
}

}  // namespace indextts2
