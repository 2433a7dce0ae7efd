// Sound, seeking, events and queries of indextts2src.
#include <gst/base/gstpushsrc.h>

#include <algorithm>

#include "audio_slicer.h"
#include "src_element.h"
#include "stats.h"
#include "stream_tags.h"

GST_DEBUG_CATEGORY_EXTERN(gst_indextts2_src_debug);
#define GST_CAT_DEFAULT gst_indextts2_src_debug

namespace indextts2 {

static gboolean src_set_caps(GstBaseSrc* source, GstCaps* caps) {
  Element& e = element_of(source);
  GstAudioInfo info;
  if (!gst_audio_info_from_caps(&info, caps)) return FALSE;
  std::lock_guard<std::mutex> lock(e.mutex);
  e.info = info;
  return TRUE;
}

// After a flush that reset the running time the stream goes on at running time 0.
static void begin_segment_at(GstBaseSrc* source, GstClockTime time) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  GST_OBJECT_LOCK(source);
  segment.duration = source->segment.duration;
  GST_OBJECT_UNLOCK(source);
  segment.start = segment.time = segment.position = time;
  gst_base_src_new_segment(source, &segment);
}

static GstFlowReturn create_buffer(GstBaseSrc* source, Element& e, GstBuffer** buffer,
                                   std::vector<Notice>* notices) {
  for (;;) {
    Chunk chunk;
    const SpeechFlow::Pull pulled = e.stream.pull(e.chunk_samples, &chunk, notices);
    if (pulled == SpeechFlow::Pull::kAudio && e.restart_segment.exchange(false)) {
      begin_segment_at(source, time_of_sample(chunk.first_sample));
    }
    post_notices(source, e, *notices);
    notices->clear();
    switch (pulled) {
      case SpeechFlow::Pull::kIdle:
      case SpeechFlow::Pull::kNotices:
        break;
      case SpeechFlow::Pull::kFlushing:
        return GST_FLOW_FLUSHING;
      case SpeechFlow::Pull::kEnd:
        e.progress.finish();
        return GST_FLOW_EOS;
      case SpeechFlow::Pull::kAudio:
        e.progress.finish();
        *buffer = make_buffer(chunk, e.copy_info().finfo->format);
        return GST_FLOW_OK;
    }
  }
}

static GstFlowReturn src_create(GstPushSrc* push_source, GstBuffer** buffer) {
  auto* const source = GST_BASE_SRC(push_source);
  Element& e = element_of(source);
  return guarded(e.reporter, GST_FLOW_ERROR, [&] {
    std::vector<Notice> notices;
    if (e.sent_buffers) e.send_kept_events(GST_BASE_SRC_PAD(source));
    try {
      const GstFlowReturn flow = e.is_live ? create_live(source, e, buffer, &notices)
                                           : create_buffer(source, e, buffer, &notices);
      e.sent_buffers = e.sent_buffers || flow == GST_FLOW_OK;
      return flow;
    } catch (...) {
      post_notices(source, e, notices);
      if (!e.is_live) e.progress.fail();
      throw;
    }
  });
}

// Seeking, events, queries.

static gboolean src_is_seekable(GstBaseSrc* source) {
  Element& e = element_of(source);
  return !e.is_live && e.stream.seekable();
}

static gboolean src_do_seek(GstBaseSrc* source, GstSegment* segment) {
  Element& e = element_of(source);
  if (segment->rate != 1.0) return FALSE;
  if (e.is_live) return TRUE;  // the base class asks once at the start; PTS are running times
  // A pad that was linked meanwhile ends seeking. After the flush it is too late to fail: the
  // stream goes on where it is.
  const bool seekable = e.stream.seekable();
  const uint64_t position = seekable ? sample_at(segment->start) : e.stream.position();
  if (!seekable) segment->start = time_of_sample(position);
  segment->time = segment->position = segment->start;
  e.stream.seek(position,
                GST_CLOCK_TIME_IS_VALID(segment->stop) ? sample_at(segment->stop) : kNoSample);
  e.restart_segment = false;
  return TRUE;
}

// The peer of the sink pad, when the text comes from upstream and seeking is upstream's work.
GstPad* linked_text_pad(Element& e) {
  std::lock_guard<std::mutex> lock(e.mutex);
  if (!e.text_pad || !gst_pad_is_linked(e.text_pad)) return nullptr;
  return GST_PAD(gst_object_ref(e.text_pad));
}

// True when a SEEK event is one that the element itself can do; otherwise *answer is set.
static bool takes_seek(Element& e, GstEvent* event, gboolean* answer) {
  if (GstPad* pad = linked_text_pad(e)) {
    *answer = gst_pad_push_event(pad, gst_event_ref(event));
    gst_object_unref(pad);
    return false;
  }
  gdouble rate;
  GstFormat format;
  gst_event_parse_seek(event, &rate, &format, nullptr, nullptr, nullptr, nullptr, nullptr);
  *answer = FALSE;
  return rate == 1.0 && format == GST_FORMAT_TIME && !e.is_live && e.stream.seekable();
}

// `may_be_kept`: see FlowTurns::seek(). `base` does not take the event.
static gboolean take_seek(Element& e, GstEvent* event, bool may_be_kept,
                          const FlowTurns::Base& base) {
  gboolean answer;
  if (!takes_seek(e, event, &answer)) return answer;
  GstSeekFlags flags;
  gst_event_parse_seek(event, nullptr, nullptr, &flags, nullptr, nullptr, nullptr, nullptr);
  return e.turns.seek(flags & GST_SEEK_FLAG_FLUSH, may_be_kept, base);
}

// The seek that a chosen entry of our TOC asks for; null: no such entry.
static GstEvent* seek_to_chapter(Element& e, GstEvent* select) {
  gchar* uid = nullptr;
  gst_event_parse_toc_select(select, &uid);
  std::lock_guard<std::mutex> lock(e.mutex);
  const Chapter* const chapter = chapter_of(e.chapters, uid ? uid : "");
  g_free(uid);
  if (!chapter) return nullptr;
  GstEvent* const seek = gst_event_new_seek(
      1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
      static_cast<gint64>(time_of_sample(chapter->begin)), GST_SEEK_TYPE_NONE, -1);
  gst_event_set_seqnum(seek, gst_event_get_seqnum(select));
  return seek;
}

static void count_lateness(Element& e, GstEvent* qos) {
  GstClockTimeDiff late = 0;
  gst_event_parse_qos(qos, nullptr, nullptr, &late, nullptr);
  if (late > 0) ++e.late_buffers;
}

static gboolean src_event(GstBaseSrc* source, GstEvent* event) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    auto base = [&] { return GST_BASE_SRC_CLASS(src_base_class())->event(source, event); };
    gboolean answer;
    if (take_control_event(GST_ELEMENT(source), event, &answer)) return answer;
    switch (GST_EVENT_TYPE(event)) {
      case GST_EVENT_SEEK:
        return take_seek(e, event, /*may_be_kept=*/false, base);
      case GST_EVENT_TOC_SELECT: {
        GstEvent* const seek = seek_to_chapter(e, event);
        answer = seek && src_event(source, seek);
        if (seek) gst_event_unref(seek);
        return answer;
      }
      case GST_EVENT_QOS:
        count_lateness(e, event);
        return base();
      default:
        return base();
    }
  });
}

static gboolean stop_flush(Element& e, GstEvent* event, const FlowTurns::Base& base) {
  return e.turns.flush_stop([&] {
    gboolean reset_time = FALSE;
    gst_event_parse_flush_stop(event, &reset_time);
    if (reset_time) e.restart_segment = true;
    e.flow().reopen(reset_time);
    return base();
  });
}

gboolean src_send_event(GstElement* element, GstEvent* event) {
  Element& e = element_of(element);
  const gboolean answer = guarded(e.reporter, static_cast<gboolean>(FALSE), [&]() -> gboolean {
    auto base = [&] {
      return GST_ELEMENT_CLASS(src_base_class())->send_event(element, gst_event_ref(event));
    };
    gboolean taken;
    if (take_control_event(element, event, &taken)) return taken;
    switch (GST_EVENT_TYPE(event)) {
      case GST_EVENT_EOS:
        // The base class would end at once, with texts unspoken and chain() waiting for ever.
        e.flow().drain();
        return TRUE;
      case GST_EVENT_SEEK:
        return take_seek(e, event, /*may_be_kept=*/true, base);
      case GST_EVENT_TOC_SELECT: {
        GstEvent* const seek = seek_to_chapter(e, event);
        return seek && src_send_event(element, seek);
      }
      case GST_EVENT_FLUSH_START:
        return e.turns.flush_start(base);
      case GST_EVENT_FLUSH_STOP:
        return stop_flush(e, event, base);
      default:
        return base();
    }
  });
  gst_event_unref(event);
  return answer;
}

static gboolean activate_src(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active) {
  Element& e = element_of(parent);
  return e.turns.activate(active, [&] { return e.base_activate(pad, parent, mode, active); });
}

// EOS also comes from the base class: num-buffers, the end of a segment, a flow error.
static GstPadProbeReturn on_src_event(GstPad*, GstPadProbeInfo* info, gpointer self) {
  GstEvent* const event = GST_PAD_PROBE_INFO_EVENT(info);
  Element& e = element_of(self);
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_FLUSH) {
    e.turns.flush_leaves(event);
  } else if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    e.flow().end();
  }
  return GST_PAD_PROBE_OK;
}

// The maximum is open: nothing is ever lost here for want of a buffer downstream, and with a
// maximum of 0 one idle pad would stall a live mixer.
static gboolean answer_latency(Element& e, GstQuery* query) {
  gboolean live = e.is_live, upstream_live = FALSE;
  GstClockTime min = live ? e.copy_settings().latency_ns : 0, upstream_min = 0;
  if (GstPad* pad = linked_text_pad(e)) {
    const gboolean answered = gst_pad_peer_query(pad, query);
    gst_object_unref(pad);
    if (answered && !live) return TRUE;
    if (answered) gst_query_parse_latency(query, &upstream_live, &upstream_min, nullptr);
    if (upstream_live) min += upstream_min;
  }
  gst_query_set_latency(query, live, min, GST_CLOCK_TIME_NONE);
  return TRUE;
}

static gboolean answer_convert(Element& e, GstQuery* query) {
  GstFormat from, to;
  gint64 value, converted;
  gst_query_parse_convert(query, &from, &value, &to, nullptr);
  GstAudioInfo info = e.copy_info();
  if (!gst_audio_info_convert(&info, from, value, to, &converted)) return FALSE;
  gst_query_set_convert(query, from, value, to, converted);
  return TRUE;
}

// The property `stats`, for who has only the pipeline.
static gboolean answer_stats(Element& e, GstQuery* query) {
  if (!gst_query_get_structure(query) ||
      !gst_structure_has_name(gst_query_get_structure(query), "indextts2/stats")) {
    return FALSE;
  }
  GstStructure* const stats = make_stats(e.stats(), e.copy_settings());
  gst_structure_foreach(
      stats,
      [](GQuark field, const GValue* value, gpointer out) -> gboolean {
        gst_structure_id_set_value(static_cast<GstStructure*>(out), field, value);
        return TRUE;
      },
      gst_query_writable_structure(query));
  gst_structure_free(stats);
  return TRUE;
}

static gboolean src_query(GstBaseSrc* source, GstQuery* query) {
  Element& e = element_of(source);
  auto base = [&] { return GST_BASE_SRC_CLASS(src_base_class())->query(source, query); };
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&]() -> gboolean {
    switch (GST_QUERY_TYPE(query)) {
      case GST_QUERY_LATENCY:
        return answer_latency(e, query);
      case GST_QUERY_CONVERT:
        return answer_convert(e, query);
      case GST_QUERY_CONTEXT:
        return e.pool.answer(query) || base();
      case GST_QUERY_CUSTOM:
        return answer_stats(e, query) || base();
      default:
        return base();
    }
  });
}

void src_flow_class_init(GstBaseSrcClass* source) {
  source->set_caps = GST_DEBUG_FUNCPTR(src_set_caps);
  source->is_seekable = GST_DEBUG_FUNCPTR(src_is_seekable);
  source->do_seek = GST_DEBUG_FUNCPTR(src_do_seek);
  source->event = GST_DEBUG_FUNCPTR(src_event);
  source->query = GST_DEBUG_FUNCPTR(src_query);
  GST_PUSH_SRC_CLASS(source)->create = GST_DEBUG_FUNCPTR(src_create);
}

void src_flow_init(GstBaseSrc* source) {
  GstPad* const pad = GST_BASE_SRC_PAD(source);
  element_of(source).base_activate = GST_PAD_ACTIVATEMODEFUNC(pad);
  gst_pad_set_activatemode_function(pad, GST_DEBUG_FUNCPTR(activate_src));
  const auto events = static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                                   GST_PAD_PROBE_TYPE_EVENT_FLUSH);
  gst_pad_add_probe(pad, events, on_src_event, source, nullptr);
}

}  // namespace indextts2
