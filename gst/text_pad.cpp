// Pad functions of `sink`.
#include "text_pad.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "audio_slicer.h"

namespace indextts2 {
namespace {

TextPad* text_pad_of(GstPad* pad) {
  return static_cast<TextPad*>(gst_pad_get_element_private(pad));
}

struct BufferUnref {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
struct EventUnref {
  void operator()(GstEvent* event) const { gst_event_unref(event); }
};

std::string bytes_of(GstBuffer* buffer) {
  std::string bytes(gst_buffer_get_size(buffer), '\0');
  bytes.resize(gst_buffer_extract(buffer, 0, &bytes[0], bytes.size()));
  return bytes;
}

}  // namespace

GstPad* TextPad::create(TextPadHost host, GstPadTemplate* pad_template) {
  GstPad* const pad = gst_pad_new_from_template(pad_template, "sink");
  gst_object_ref_sink(pad);
  auto* const self = new TextPad(std::move(host), pad);
  gst_pad_set_element_private(pad, self);
  g_object_weak_ref(
      G_OBJECT(pad), [](gpointer data, GObject*) { delete static_cast<TextPad*>(data); }, self);
  gst_pad_set_chain_function(pad, GST_DEBUG_FUNCPTR(on_chain));
  gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(on_event));
  gst_pad_set_query_function(pad, GST_DEBUG_FUNCPTR(on_query));
  gst_pad_set_activatemode_function(pad, GST_DEBUG_FUNCPTR(on_activate));
  // No link across the element: the defaults would send upstream's events and queries through.
  gst_pad_set_iterate_internal_links_function(
      pad, [](GstPad*, GstObject*) -> GstIterator* { return nullptr; });
  g_signal_connect(pad, "linked", G_CALLBACK(on_link_changed), self);
  g_signal_connect(pad, "unlinked", G_CALLBACK(on_link_changed), self);
  return pad;
}

// Links come and go on other threads than texts, and their signals may come late: what counts is
// the state at this moment. `ended`: not given: as it was.
void TextPad::tell_state(std::optional<bool> ended) {
  std::lock_guard<std::mutex> lock(link_mutex_);
  const bool is_linked = linked();
  if (ended) ended_ = *ended;
  if (!is_linked) ended_ = false;
  host_.flow().set_pad(is_linked, ended_);
}

void TextPad::on_link_changed(GstPad* pad, GstPad*, TextPad* self) {
  GstObject* const parent = gst_pad_get_parent(pad);  // keeps the host
  if (!parent) return;
  self->tell_state(std::nullopt);
  gst_object_unref(parent);
}

gboolean TextPad::on_activate(GstPad* pad, GstObject*, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  TextPad* self = text_pad_of(pad);
  // Deactivation waits for a chain that may be waiting for space.
  self->host_.flow().set_pad_flushing(!active);
  if (active) return TRUE;
  // Here nobody else is in chain(); at activation upstream may be so already.
  GST_PAD_STREAM_LOCK(pad);
  self->reset();
  GST_PAD_STREAM_UNLOCK(pad);
  return TRUE;
}

void TextPad::reset() {
  cutter_.clear();
  is_markup_ = false;
  has_times_ = true;
  speaker_.clear();
  language_.clear();
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  warned_of_tags_ = false;
}

GstFlowReturn TextPad::on_chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  std::unique_ptr<GstBuffer, BufferUnref> owned(buffer);
  TextPad* self = text_pad_of(pad);
  return guarded(*self->host_.reporter, GST_FLOW_ERROR, [&] { return self->take_buffer(buffer); });
}

GstFlowReturn TextPad::take_buffer(GstBuffer* buffer) {
  const Settings settings = host_.settings();
  const bool has_time = has_times_ && GST_BUFFER_PTS_IS_VALID(buffer);
  if (settings.timing == Timing::kCue && !has_time) {
    constexpr char kWords[] =
        "With timing=cue each text buffer needs a timestamp in a segment in "
        "time; use timing=asap.";
    if (settings.on_error == OnError::kSkip) {
      host_.reporter->warning({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT}, kWords);
      return GST_FLOW_OK;
    }
    host_.reporter->error({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT}, kWords);
    return GST_FLOW_ERROR;
  }
  std::vector<std::string> texts;
  cutter_.push(bytes_of(buffer), has_time, settings.max_text_bytes, &texts);
  return submit(std::move(texts), has_time ? buffer : nullptr);
}

// The time that the buffer asks for; none when it is to be spoken as soon as
// possible.
std::optional<Cue> TextPad::cue_of(GstBuffer* buffer, const Settings& settings) const {
  if (settings.timing == Timing::kAsap) return std::nullopt;
  if (settings.timing == Timing::kAuto && host_.is_live()) return std::nullopt;
  guint64 running;
  // A text that begins before its segment begins with it.
  if (gst_segment_to_running_time_full(&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer),
                                       &running) <= 0) {
    running = 0;
  }
  Cue cue;
  cue.start = sample_at(running);
  if (GST_BUFFER_DURATION_IS_VALID(buffer)) cue.length = samples_in(GST_BUFFER_DURATION(buffer));
  cue.overflow = settings.overflow;
  return cue;
}

// Waits for space for each text.
GstFlowReturn TextPad::submit(std::vector<std::string> texts, GstBuffer* buffer) {
  for (std::string& text : texts) {
    bool unknown_tag = false;
    if (is_markup_) text = strip_markup(text, &unknown_tag);
    if (unknown_tag && !std::exchange(warned_of_tags_, true)) {
      host_.reporter->warning({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT},
                              "The text has tags that Pango markup does not know; all such tags "
                              "are left out.");
    }
    uint64_t id = 0;
    std::vector<Notice> notices;
    Settings settings = host_.settings();
    if (settings.voices.count(speaker_) > 0) settings.voice = speaker_;
    if (!language_.empty()) settings.language = language_;
    Utterance utterance = make_utterance(settings, std::move(text), /*from_pad=*/true);
    if (buffer) {
      utterance.text_time = GST_BUFFER_PTS(buffer);
      utterance.text_duration = GST_BUFFER_DURATION(buffer);
      utterance.cue = cue_of(buffer, settings);
    }
    if (utterance.cue && host_.is_live()) utterance.not_before = utterance.cue->start;
    const SpeechFlow::Accepted accepted =
        host_.flow().accept(std::move(utterance), /*may_wait=*/true, &id, &notices);
    host_.post(notices);
    switch (accepted) {
      case SpeechFlow::Accepted::kYes:
        break;
      case SpeechFlow::Accepted::kEnded:
        return GST_FLOW_EOS;
      case SpeechFlow::Accepted::kFull:
      case SpeechFlow::Accepted::kFlushing:
      case SpeechFlow::Accepted::kNotStarted:
        return GST_FLOW_FLUSHING;
    }
  }
  return GST_FLOW_OK;
}

gboolean TextPad::on_event(GstPad* pad, GstObject*, GstEvent* event) {
  TextPad* self = text_pad_of(pad);
  return guarded(*self->host_.reporter, static_cast<gboolean>(FALSE),
                 [&] { return self->take_event(event); });
}

gboolean TextPad::take_segment(GstEvent* event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  if (segment->format != GST_FORMAT_TIME && segment->format != GST_FORMAT_BYTES) {
    host_.reporter->error({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT},
                          std::string("The text arrives in a segment of format ") +
                              gst_format_get_name(segment->format) + "; expected time or bytes.");
    return FALSE;
  }
  has_times_ = segment->format == GST_FORMAT_TIME;
  segment_ = *segment;
  return TRUE;
}

// Upstream says that no text begins before the end of the gap.
void TextPad::take_gap(GstEvent* event) {
  if (!has_times_ || host_.is_live() || host_.settings().timing == Timing::kAsap) return;
  GstClockTime begin = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;
  gst_event_parse_gap(event, &begin, &duration);
  if (!GST_CLOCK_TIME_IS_VALID(begin)) return;
  guint64 end = begin + (GST_CLOCK_TIME_IS_VALID(duration) ? duration : 0), running;
  if (GST_CLOCK_TIME_IS_VALID(segment_.stop)) end = std::min(end, segment_.stop);
  if (gst_segment_to_running_time_full(&segment_, GST_FORMAT_TIME, end, &running) > 0) {
    host_.flow().pass_time(sample_at(running));
  }
}

// Of textaccumulate and the transcribers.
void TextPad::take_transcriber_event(const GstStructure* fields) {
  if (!fields) return;
  const bool speaker = gst_structure_has_name(fields, "rstranscribe/speaker-change");
  if (!speaker && !gst_structure_has_name(fields, "rstranscribe/final-transcript")) return;
  // Either ends the line that has come so far; it belongs to the speaker before.
  std::vector<std::string> texts;
  cutter_.finish(&texts);
  submit(std::move(texts), nullptr);
  if (!speaker) return;
  const char* const name = gst_structure_get_string(fields, "speaker");
  speaker_ = name ? name : "";
}

gboolean TextPad::take_event(GstEvent* event) {
  std::unique_ptr<GstEvent, EventUnref> owned(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      tell_state(/*ended=*/false);
      return TRUE;
    case GST_EVENT_CAPS: {
      GstCaps* caps = nullptr;
      gst_event_parse_caps(event, &caps);
      const char* format = gst_structure_get_string(gst_caps_get_structure(caps, 0), "format");
      is_markup_ = g_strcmp0(format, "pango-markup") == 0;
      return TRUE;
    }
    case GST_EVENT_SEGMENT:
      return take_segment(event);
    case GST_EVENT_GAP:
      take_gap(event);
      return TRUE;
    case GST_EVENT_EOS: {
      std::vector<std::string> texts;
      cutter_.finish(&texts);
      submit(std::move(texts), nullptr);
      tell_state(/*ended=*/true);
      return TRUE;
    }
    case GST_EVENT_FLUSH_START: {
      host_.flow().set_pad_flushing(true);
      const gboolean flushed = host_.flush(owned.release());
      std::vector<Notice> notices;
      host_.flow().cancel_pad_texts(&notices);
      host_.post(notices);
      return flushed;
    }
    case GST_EVENT_FLUSH_STOP:
      cutter_.clear();
      host_.flow().set_pad_flushing(false);
      tell_state(/*ended=*/false);
      return host_.flush(owned.release());
    case GST_EVENT_TAG: {
      GstTagList* tags = nullptr;
      gchar* code = nullptr;
      gst_event_parse_tag(event, &tags);
      if (gst_tag_list_get_string(tags, GST_TAG_LANGUAGE_CODE, &code)) language_ = code;
      g_free(code);
      return TRUE;
    }
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      take_transcriber_event(gst_event_get_structure(event));
      return TRUE;
    default:
      if (GST_EVENT_IS_SERIALIZED(event)) return TRUE;
      return host_.forward(owned.release());
  }
}

gboolean TextPad::on_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
    case GST_QUERY_ACCEPT_CAPS:
      return gst_pad_query_default(pad, parent, query);
    case GST_QUERY_CONTEXT:
      return text_pad_of(pad)->host_.context(query);
    default:
      return FALSE;
  }
}

}  // namespace indextts2
