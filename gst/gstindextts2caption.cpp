// Pads, events and properties of indextts2caption. What is said when is in Captioner.
/**
 * SECTION:element-indextts2caption
 * @title: indextts2caption
 *
 * Passes audio through and gives the words that indextts2src speaks in it out as captions, with the
 * segment and the times of the sound: one for each spoken segment, more where the words do not fit
 * into `lines` lines of `width` characters. Other sound gives no captions. Put a queue behind each
 * of the two source pads.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 indextts2src text="Good morning." ! indextts2caption name=c
 *   c.src ! queue ! audioconvert ! audioresample ! autoaudiosink
 *   c.text ! queue ! webvttenc ! filesink location=a.vtt
 * ]|
 */
#include "gstindextts2caption.h"

#include <gst/base/gstflowcombiner.h>

#include <mutex>
#include <vector>

#include "captioner.h"
#include "speech_meta.h"

using namespace indextts2;

namespace {

enum { kWidth = 1, kLines, kReadingSpeed };

struct Captioning {
  Captioning() : combiner(gst_flow_combiner_new()) {}
  ~Captioning() { gst_flow_combiner_free(combiner); }

  std::mutex mutex;  // guards options
  CaptionOptions options;

  // Under the sink pad's stream lock.
  Captioner captioner;
  GstFlowCombiner* combiner;
};

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("audio/x-raw"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("audio/x-raw"));
GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE(
    "text", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("text/x-raw, format = (string) utf8"));

}  // namespace

struct _GstIndexTts2Caption {
  GstElement parent;
  GstPad *sink, *src, *text;
  Captioning* captioning;
};

G_DEFINE_TYPE(GstIndexTts2Caption, gst_indextts2_caption, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE(indextts2caption, "indextts2caption", GST_RANK_NONE,
                            GST_TYPE_INDEXTTS2_CAPTION)

// Sound.

static GstFlowReturn push_piece(GstIndexTts2Caption* self, const TextPiece& piece) {
  const GstClockTime duration = piece.caption.end - piece.caption.start;
  if (piece.gap) {
    gst_pad_push_event(self->text, gst_event_new_gap(piece.caption.start, duration));
    return GST_FLOW_OK;
  }
  const std::string& text = piece.caption.text;
  GstBuffer* const buffer = gst_buffer_new_memdup(text.data(), text.size());
  GST_BUFFER_PTS(buffer) = piece.caption.start;
  GST_BUFFER_DURATION(buffer) = duration;
  return gst_pad_push(self->text, buffer);
}

static void push_pieces(GstIndexTts2Caption* self, const std::vector<TextPiece>& pieces) {
  for (const TextPiece& piece : pieces) {
    const GstFlowReturn flow = push_piece(self, piece);
    gst_flow_combiner_update_pad_flow(self->captioning->combiner, self->text, flow);
    if (flow != GST_FLOW_OK) return;
  }
}

static GstFlowReturn gst_indextts2_caption_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  GstIndexTts2Caption* const self = GST_INDEXTTS2_CAPTION(parent);
  Captioning& c = *self->captioning;
  const GstClockTime start = GST_BUFFER_PTS(buffer);
  if (GST_CLOCK_TIME_IS_VALID(start)) {
    CaptionOptions options;
    {
      std::lock_guard<std::mutex> lock(c.mutex);
      options = c.options;
    }
    const GstClockTime duration =
        GST_BUFFER_DURATION_IS_VALID(buffer) ? GST_BUFFER_DURATION(buffer) : 0;
    std::vector<TextPiece> pieces;
    c.captioner.pass(start, start + duration, speech_meta_of(buffer), options, &pieces);
    push_pieces(self, pieces);
  }
  const GstFlowReturn flow = gst_pad_push(self->src, buffer);
  return gst_flow_combiner_update_pad_flow(c.combiner, self->src, flow);
}

// Events and queries.

static void start_text_stream(GstIndexTts2Caption* self, GstEvent* event) {
  gchar* const id =
      gst_pad_create_stream_id(self->text, GST_ELEMENT(self), GST_PAD_NAME(self->text));
  GstEvent* const start = gst_event_new_stream_start(id);
  guint group;
  if (gst_event_parse_group_id(event, &group)) gst_event_set_group_id(start, group);
  gst_event_set_seqnum(start, gst_event_get_seqnum(event));
  g_free(id);
  gst_pad_push_event(self->text, start);
  GstCaps* const caps = gst_static_pad_template_get_caps(&text_template);
  gst_pad_push_event(self->text, gst_event_new_caps(caps));
  gst_caps_unref(caps);
}

static gboolean gst_indextts2_caption_sink_event(GstPad*, GstObject* parent, GstEvent* event) {
  GstIndexTts2Caption* const self = GST_INDEXTTS2_CAPTION(parent);
  Captioning& c = *self->captioning;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS:
      return gst_pad_push_event(self->src, event);
    case GST_EVENT_STREAM_START:
      start_text_stream(self, event);
      return gst_pad_push_event(self->src, event);
    case GST_EVENT_EOS: {
      std::vector<TextPiece> pieces;
      c.captioner.finish(&pieces);
      push_pieces(self, pieces);
      break;
    }
    case GST_EVENT_SEGMENT:
    case GST_EVENT_FLUSH_STOP:
      c.captioner.reset();
      gst_flow_combiner_reset(c.combiner);
      break;
    default:
      break;
  }
  // The text pad may have no peer; only the sound's answer counts.
  gst_pad_push_event(self->text, gst_event_ref(event));
  return gst_pad_push_event(self->src, event);
}

// What the text branch wishes has no meaning for the sound, except where to go and when to stop.
static gboolean gst_indextts2_caption_text_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_QOS:
    case GST_EVENT_RECONFIGURE:
    case GST_EVENT_LATENCY:
      gst_event_unref(event);
      return TRUE;
    default:
      return gst_pad_event_default(pad, parent, event);
  }
}

static gboolean gst_indextts2_caption_text_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstIndexTts2Caption* const self = GST_INDEXTTS2_CAPTION(parent);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY:
    case GST_QUERY_POSITION:
    case GST_QUERY_DURATION:
    case GST_QUERY_SEEKING:
    case GST_QUERY_SEGMENT:
      return gst_pad_peer_query(self->sink, query);
    case GST_QUERY_ALLOCATION:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

// Between the audio pads; upstream events of the text pad go to the sink pad.
static GstIterator* gst_indextts2_caption_links(GstPad* pad, GstObject* parent) {
  GstIndexTts2Caption* const self = GST_INDEXTTS2_CAPTION(parent);
  GValue other = G_VALUE_INIT;
  g_value_init(&other, GST_TYPE_PAD);
  g_value_set_object(&other, pad == self->sink ? self->src : self->sink);
  GstIterator* const links = gst_iterator_new_single(GST_TYPE_PAD, &other);
  g_value_unset(&other);
  return links;
}

static GstStateChangeReturn gst_indextts2_caption_change_state(GstElement* element,
                                                               GstStateChange transition) {
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_indextts2_caption_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    Captioning& c = *GST_INDEXTTS2_CAPTION(element)->captioning;
    c.captioner.reset();
    gst_flow_combiner_reset(c.combiner);
  }
  return result;
}

// GObject.

static guint* option_of(CaptionOptions& options, guint id) {
  if (id == kWidth) return &options.width;
  return id == kLines ? &options.lines : &options.reading_speed;
}

static void gst_indextts2_caption_set_property(GObject* object, guint id, const GValue* value,
                                               GParamSpec*) {
  Captioning& c = *GST_INDEXTTS2_CAPTION(object)->captioning;
  std::lock_guard<std::mutex> lock(c.mutex);
  *option_of(c.options, id) = g_value_get_uint(value);
}

static void gst_indextts2_caption_get_property(GObject* object, guint id, GValue* value,
                                               GParamSpec*) {
  Captioning& c = *GST_INDEXTTS2_CAPTION(object)->captioning;
  std::lock_guard<std::mutex> lock(c.mutex);
  g_value_set_uint(value, *option_of(c.options, id));
}

static void gst_indextts2_caption_finalize(GObject* object) {
  delete GST_INDEXTTS2_CAPTION(object)->captioning;
  G_OBJECT_CLASS(gst_indextts2_caption_parent_class)->finalize(object);
}

static void install(GObjectClass* object, guint id, const char* name, const char* blurb, guint min,
                    guint max, guint CaptionOptions::*member) {
  const auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                              GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      object, id,
      g_param_spec_uint(name, nullptr, blurb, min, max, CaptionOptions().*member, flags));
}

static void gst_indextts2_caption_class_init(GstIndexTts2CaptionClass* klass) {
  register_speech_meta();
  auto* const object = G_OBJECT_CLASS(klass);
  auto* const element = GST_ELEMENT_CLASS(klass);
  object->set_property = gst_indextts2_caption_set_property;
  object->get_property = gst_indextts2_caption_get_property;
  object->finalize = gst_indextts2_caption_finalize;
  install(object, kWidth, "width", "Most characters of one line of a caption, 8 to 200", 8, 200,
          &CaptionOptions::width);
  install(object, kLines, "lines", "Most lines of one caption, 1 to 10", 1, 10,
          &CaptionOptions::lines);
  install(object, kReadingSpeed, "reading-speed",
          "Characters per second that the audience can read, 0 to 200. A caption stays for as long "
          "as it needs, up to 2 s longer than it is spoken; the next one waits. 0: exactly as it "
          "is spoken",
          0, 200, &CaptionOptions::reading_speed);
  element->change_state = GST_DEBUG_FUNCPTR(gst_indextts2_caption_change_state);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_add_static_pad_template(element, &text_template);
  gst_element_class_set_static_metadata(
      element, "IndexTTS2 captions", "Filter/Converter/Audio/Text",
      "Gives the words that indextts2src speaks out as captions in time with the sound",
      "The indextts2src authors");
}

static void gst_indextts2_caption_init(GstIndexTts2Caption* self) {
  self->captioning = new Captioning;
  self->sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sink, GST_DEBUG_FUNCPTR(gst_indextts2_caption_chain));
  gst_pad_set_event_function(self->sink, GST_DEBUG_FUNCPTR(gst_indextts2_caption_sink_event));
  self->src = gst_pad_new_from_static_template(&src_template, "src");
  self->text = gst_pad_new_from_static_template(&text_template, "text");
  gst_pad_set_event_function(self->text, GST_DEBUG_FUNCPTR(gst_indextts2_caption_text_event));
  gst_pad_set_query_function(self->text, GST_DEBUG_FUNCPTR(gst_indextts2_caption_text_query));
  gst_pad_use_fixed_caps(self->text);
  for (GstPad* pad : {self->sink, self->src, self->text}) {
    gst_pad_set_iterate_internal_links_function(pad,
                                                GST_DEBUG_FUNCPTR(gst_indextts2_caption_links));
  }
  for (GstPad* pad : {self->sink, self->src}) {
    GST_PAD_SET_PROXY_CAPS(pad);
    GST_PAD_SET_PROXY_ALLOCATION(pad);
    GST_PAD_SET_PROXY_SCHEDULING(pad);
  }
  gst_flow_combiner_add_pad(self->captioning->combiner, self->src);
  gst_flow_combiner_add_pad(self->captioning->combiner, self->text);
  for (GstPad* pad : {self->sink, self->src, self->text}) {
    gst_element_add_pad(GST_ELEMENT(self), pad);
  }
}
