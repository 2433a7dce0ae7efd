// GObject side of indextts2src: properties, virtual functions, URI handler. The work is in
// SpeechStream and TextPad.
/**
 * SECTION:element-indextts2src
 * @title: indextts2src
 *
 * Speaks text with IndexTTS2 in the voice of a short clip. The text comes from a property, a file,
 * a URI or the request pad `sink`; the sound is mono at 22050 Hz. Ends by itself when all text is
 * spoken.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 indextts2src text="Good morning." ! audioconvert ! audioresample ! autoaudiosink
 * gst-launch-1.0 filesrc location=a.srt ! subparse ! indextts2src ! audioconvert ! wavenc !
 * filesink location=a.wav
 * ]|
 */
#include "gstindextts2src.h"

#include <gst/audio/audio.h>

#include <memory>
#include <mutex>

#include "audio_slicer.h"
#include "device_tasks.h"
#include "engine_library.h"
#include "errors.h"
#include "flow_turns.h"
#include "notices.h"
#include "programme.h"
#include "properties.h"
#include "settings.h"
#include "source_uri.h"
#include "speech_stream.h"
#include "stats.h"
#include "text_pad.h"

GST_DEBUG_CATEGORY(gst_indextts2_src_debug);
GST_DEBUG_CATEGORY_STATIC(gst_indextts2_engine_debug);
#define GST_CAT_DEFAULT gst_indextts2_src_debug

using namespace indextts2;

namespace {

// Everything of the element that is C++.
struct Element {
  explicit Element(GstElement* element)
      : reporter(element),
        progress(element),
        devices(element),
        turns(GST_BASE_SRC_PAD(element), &stream) {
    gst_audio_info_set_format(&info, GST_AUDIO_FORMAT_F32LE, kSampleRateHz, 1, nullptr);
  }
  Settings copy_settings() {
    std::lock_guard<std::mutex> lock(mutex);
    return settings;
  }
  GstAudioInfo copy_info() {
    std::lock_guard<std::mutex> lock(mutex);
    return info;
  }

  std::mutex mutex;  // guards the next four
  Settings settings;
  GstAudioInfo info;
  std::string available_devices;
  std::shared_ptr<TextPad> text_pad;

  Reporter reporter;
  ProgressPoster progress;
  DeviceTasks devices;
  SpeechStream stream;
  FlowTurns turns;
  GstPadActivateModeFunction base_activate = nullptr;  // of the source pad
  std::atomic<guint64> chunk_samples{441};
  std::atomic<bool> restart_segment{false};  // a flush has reset the running time
};

const std::vector<Property>& properties() {
  static const std::vector<Property>* const rows = [] {
    auto* all = new std::vector<Property>;
    add_stream_properties(all);
    add_speech_properties(all);
    return all;
  }();
  return *rows;
}

// Ids after those of properties().
guint uri_id() { return static_cast<guint>(properties().size()) + 1; }
guint stats_id() { return uri_id() + 1; }
guint available_devices_id() { return uri_id() + 2; }

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("audio/x-raw, format = (string) { F32LE, S16LE }, rate = (int) 22050, "
                    "channels = (int) 1, layout = (string) interleaved"));
GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS("text/x-raw, format = (string) { utf8, pango-markup }"));

}  // namespace

struct _GstIndexTts2Src {
  GstPushSrc parent;
  Element* element;
};

static void gst_indextts2_src_uri_handler_init(gpointer iface, gpointer data);

G_DEFINE_TYPE_WITH_CODE(GstIndexTts2Src, gst_indextts2_src, GST_TYPE_PUSH_SRC,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER,
                                              gst_indextts2_src_uri_handler_init))
GST_ELEMENT_REGISTER_DEFINE(indextts2src, "indextts2src", GST_RANK_NONE, GST_TYPE_INDEXTTS2_SRC)

#define parent_class gst_indextts2_src_parent_class

static Element& element_of(gpointer self) { return *GST_INDEXTTS2_SRC(self)->element; }

// Texts.

// A text that comes while the stream runs; before that it is only a setting.
static void append_text(Element& e, const Settings& settings) {
  if (!settings.text || settings.text->empty()) return;
  const size_t bytes = settings.text->size();
  switch (e.stream.accept(make_utterance(settings, *settings.text, /*from_pad=*/false),
                          /*may_wait=*/false)) {
    case SpeechStream::Accepted::kFull:
      e.reporter.warning({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT},
                         "A text of " + std::to_string(bytes) +
                             " bytes was refused: " + std::to_string(settings.max_text_bytes) +
                             " bytes (max-text-bytes) may wait. Set it again later.");
      break;
    case SpeechStream::Accepted::kEnded:
      e.reporter.warning({GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED},
                         "A text of " + std::to_string(bytes) +
                             " bytes was refused: the stream has ended. Send a flushing seek, or "
                             "set the element to READY and back to PLAYING.");
      break;
    default:
      break;
  }
}

// GObject.

static void gst_indextts2_src_set_property(GObject* object, guint id, const GValue* value,
                                           GParamSpec* spec) {
  Element& e = element_of(object);
  guarded(e.reporter, false, [&] {
    Settings now;
    {
      std::lock_guard<std::mutex> lock(e.mutex);
      if (id == uri_id()) {
        const char* uri = g_value_get_string(value);
        if (!set_uri(&e.settings, uri ? uri : "")) {
          g_warning("indextts2src: uri: expected indextts2:TEXT or file://PATH");
        }
      } else {
        properties()[id - 1].set(e.settings, value);
      }
      now = e.settings;
    }
    e.stream.set_max_text_bytes(now.max_text_bytes);
    e.stream.set_skip_errors(now.on_error == OnError::kSkip);
    if (!g_strcmp0(spec->name, "schedule")) e.stream.set_schedule(now.schedule);
    if (!g_strcmp0(spec->name, "text")) append_text(e, now);
    return true;
  });
}

static void gst_indextts2_src_get_property(GObject* object, guint id, GValue* value, GParamSpec*) {
  Element& e = element_of(object);
  guarded(e.reporter, false, [&] {
    const Settings settings = e.copy_settings();
    if (id <= properties().size()) {
      properties()[id - 1].get(settings, value);
    } else if (id == uri_id()) {
      std::string uri = get_uri(settings);
      g_value_set_string(value, uri.empty() ? nullptr : uri.c_str());
    } else if (id == stats_id()) {
      g_value_take_boxed(value, make_stats(e.stream.stats(), settings));
    } else if (id == available_devices_id()) {
      std::lock_guard<std::mutex> lock(e.mutex);
      g_value_set_string(value, e.available_devices.c_str());
    }
    return true;
  });
}

static void gst_indextts2_src_finalize(GObject* object) {
  delete GST_INDEXTTS2_SRC(object)->element;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

// States.

static bool open_library(Element& e) {
  return guarded(e.reporter, false, [&] {
    const Settings settings = e.copy_settings();
    find_model(settings.model_path);
    const std::vector<std::string> devices = parse_devices(settings.devices);
    const EngineFactory& factory = open_engine_library();
    const std::string version = factory.version();
    GST_INFO("engine %s", version.c_str());
    std::string available = describe_devices(factory.list_devices());
    factory.check_devices(devices);
    std::lock_guard<std::mutex> lock(e.mutex);
    e.available_devices = std::move(available);
    return true;
  });
}

static void close_library(Element& e) {
  e.devices.cancel();
  e.stream.forget_engine();
  std::lock_guard<std::mutex> lock(e.mutex);
  e.available_devices.clear();
}

static GstStateChangeReturn gst_indextts2_src_change_state(GstElement* element,
                                                           GstStateChange transition) {
  Element& e = element_of(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    e.reporter.rearm();
    if (!open_library(e)) return GST_STATE_CHANGE_FAILURE;
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    e.reporter.rearm();
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    e.stream.set_pad_flushing(true);  // first of all: chain() may wait for space
  }
  GstStateChangeReturn result = GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    guarded(e.reporter, false, [&] {
      close_library(e);
      return true;
    });
  }
  return result;
}

static void log_engine(LogLevel level, const std::string& message) {
  GstDebugLevel gst_level = GST_LEVEL_DEBUG;
  if (level == LogLevel::kError) gst_level = GST_LEVEL_ERROR;
  if (level == LogLevel::kWarning) gst_level = GST_LEVEL_WARNING;
  if (level == LogLevel::kInfo) gst_level = GST_LEVEL_INFO;
  GST_CAT_LEVEL_LOG(gst_indextts2_engine_debug, gst_level, nullptr, "%s", message.c_str());
}

static gboolean gst_indextts2_src_start(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    const Settings settings = e.copy_settings();
    std::shared_ptr<TextPad> text_pad;
    {
      std::lock_guard<std::mutex> lock(e.mutex);
      text_pad = e.text_pad;
    }
    const bool pad_linked = text_pad && text_pad->linked();
    std::optional<Utterance> programme = programme_of(settings, pad_linked);
    EngineOptions options = engine_options(settings, find_model(settings.model_path));
    options.log = log_engine;
    options.device_event = device_event_poster(GST_ELEMENT(source));
    SessionOptions session;
    session.window = static_cast<int>(settings.prefetch);
    session.schedule = settings.schedule;
    const uint64_t samples = samples_in(settings.buffer_duration_ns);
    e.chunk_samples = settings.buffer_duration_ns == 0 ? kNoSample : std::max<uint64_t>(samples, 1);
    e.restart_segment = false;
    e.stream.set_pad(pad_linked, /*ended=*/false);
    if (settings.preload) e.progress.start("load");
    e.stream.start(open_engine_library(), options, voice_options(settings), session,
                   settings.preload);
    if (programme) e.stream.accept(std::move(*programme), /*may_wait=*/false);
    return static_cast<gboolean>(TRUE);
  });
}

static gboolean gst_indextts2_src_stop(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    e.stream.stop();
    e.progress.cancel();
    return static_cast<gboolean>(TRUE);
  });
}

static gboolean gst_indextts2_src_unlock(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    e.stream.unlock();
    return static_cast<gboolean>(TRUE);
  });
}

static gboolean gst_indextts2_src_unlock_stop(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    e.stream.unlock_stop();
    return static_cast<gboolean>(TRUE);
  });
}

// Sound.

static gboolean gst_indextts2_src_set_caps(GstBaseSrc* source, GstCaps* caps) {
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

static GstFlowReturn create_buffer(GstBaseSrc* source, Element& e, GstBuffer** buffer) {
  for (;;) {
    Chunk chunk;
    std::vector<Notice> notices;
    switch (e.stream.pull(e.chunk_samples, &chunk, &notices)) {
      case SpeechStream::Pull::kNotices:
        post_notices(source, e.reporter, e.progress, notices);
        break;
      case SpeechStream::Pull::kFlushing:
        return GST_FLOW_FLUSHING;
      case SpeechStream::Pull::kEnd:
        e.progress.finish();
        return GST_FLOW_EOS;
      case SpeechStream::Pull::kAudio:
        e.progress.finish();
        *buffer = make_buffer(chunk, e.copy_info().finfo->format);
        if (e.restart_segment.exchange(false)) begin_segment_at(source, GST_BUFFER_PTS(*buffer));
        return GST_FLOW_OK;
    }
  }
}

static GstFlowReturn gst_indextts2_src_create(GstPushSrc* source, GstBuffer** buffer) {
  Element& e = element_of(source);
  return guarded(e.reporter, GST_FLOW_ERROR, [&] {
    try {
      return create_buffer(GST_BASE_SRC(source), e, buffer);
    } catch (...) {
      e.progress.fail();
      throw;
    }
  });
}

// Seeking, events, queries.

static gboolean gst_indextts2_src_is_seekable(GstBaseSrc* source) {
  return element_of(source).stream.seekable();
}

static gboolean gst_indextts2_src_do_seek(GstBaseSrc* source, GstSegment* segment) {
  Element& e = element_of(source);
  if (segment->rate != 1.0) return FALSE;
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
static GstPad* linked_text_pad(Element& e) {
  std::lock_guard<std::mutex> lock(e.mutex);
  if (!e.text_pad || !e.text_pad->linked()) return nullptr;
  return GST_PAD(gst_object_ref(e.text_pad->pad()));
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
  return rate == 1.0 && format == GST_FORMAT_TIME && e.stream.seekable();
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

static gboolean gst_indextts2_src_event(GstBaseSrc* source, GstEvent* event) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    auto base = [&] { return GST_BASE_SRC_CLASS(parent_class)->event(source, event); };
    if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK) return base();
    return take_seek(e, event, /*may_be_kept=*/false, base);
  });
}

static gboolean stop_flush(Element& e, GstEvent* event, const FlowTurns::Base& base) {
  return e.turns.flush_stop([&] {
    gboolean reset_time = FALSE;
    gst_event_parse_flush_stop(event, &reset_time);
    if (reset_time) e.restart_segment = true;
    e.stream.reopen();
    return base();
  });
}

static gboolean gst_indextts2_src_send_event(GstElement* element, GstEvent* event) {
  Element& e = element_of(element);
  const gboolean answer = guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    auto base = [&] {
      return GST_ELEMENT_CLASS(parent_class)->send_event(element, gst_event_ref(event));
    };
    switch (GST_EVENT_TYPE(event)) {
      case GST_EVENT_EOS:
        // The base class would end at once, with texts unspoken and chain() waiting for ever.
        e.stream.drain();
        return gboolean{TRUE};
      case GST_EVENT_SEEK:
        return take_seek(e, event, /*may_be_kept=*/true, base);
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
  return e.turns.activate([&] { return e.base_activate(pad, parent, mode, active); });
}

// EOS also comes from the base class: num-buffers, the end of a segment, a flow error.
static GstPadProbeReturn on_src_event(GstPad*, GstPadProbeInfo* info, gpointer self) {
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
    element_of(self).stream.end();
  }
  return GST_PAD_PROBE_OK;
}

static gboolean answer_latency(Element& e, GstQuery* query) {
  if (GstPad* pad = linked_text_pad(e)) {
    gboolean answered = gst_pad_peer_query(pad, query);
    gst_object_unref(pad);
    if (answered) return TRUE;
  }
  gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
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

static gboolean gst_indextts2_src_query(GstBaseSrc* source, GstQuery* query) {
  Element& e = element_of(source);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY:
      return answer_latency(e, query);
    case GST_QUERY_CONVERT:
      return answer_convert(e, query);
    default:
      return GST_BASE_SRC_CLASS(parent_class)->query(source, query);
  }
}

// The text pad.

static GstPad* gst_indextts2_src_request_new_pad(GstElement* element, GstPadTemplate* pad_template,
                                                 const gchar*, const GstCaps*) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<GstPad*>(nullptr), [&]() -> GstPad* {
    TextPadHost host;
    host.stream = &e.stream;
    host.reporter = &e.reporter;
    host.settings = [&e] { return e.copy_settings(); };
    host.flush = [element](GstEvent* event) {
      return gst_indextts2_src_send_event(element, event);
    };
    host.forward = [element](GstEvent* event) {
      return gst_pad_push_event(GST_BASE_SRC_PAD(element), event);
    };
    auto created = std::make_shared<TextPad>(std::move(host), pad_template);
    {
      std::lock_guard<std::mutex> lock(e.mutex);
      if (e.text_pad) return nullptr;
      e.text_pad = created;
    }
    gst_element_add_pad(element, created->pad());
    return created->pad();
  });
}

static void gst_indextts2_src_release_pad(GstElement* element, GstPad* pad) {
  Element& e = element_of(element);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element, pad);
  std::shared_ptr<TextPad> released;
  std::lock_guard<std::mutex> lock(e.mutex);
  released.swap(e.text_pad);  // goes after the lock
}

// URI handler.

static gboolean gst_indextts2_src_uri_set(GstURIHandler* handler, const gchar* uri,
                                          GError** error) {
  Element& e = element_of(handler);
  GstState state;
  gst_element_get_state(GST_ELEMENT(handler), &state, nullptr, 0);
  if (state > GST_STATE_READY) {
    g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                "The URI cannot be changed in PAUSED and PLAYING; set text instead.");
    return FALSE;
  }
  std::lock_guard<std::mutex> lock(e.mutex);
  if (set_uri(&e.settings, uri)) return TRUE;
  g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
              "Expected indextts2:TEXT with TEXT percent-encoded, or file://PATH.");
  return FALSE;
}

static void gst_indextts2_src_uri_handler_init(gpointer iface, gpointer) {
  auto* handler = static_cast<GstURIHandlerInterface*>(iface);
  handler->get_type = [](GType) { return GST_URI_SRC; };
  handler->get_protocols = [](GType) -> const gchar* const* {
    static const gchar* protocols[] = {kUriProtocol, nullptr};
    return protocols;
  };
  handler->get_uri = [](GstURIHandler* self) -> gchar* {
    std::string uri = get_uri(element_of(self).copy_settings());
    return uri.empty() ? nullptr : g_strdup(uri.c_str());
  };
  handler->set_uri = gst_indextts2_src_uri_set;
}

// Action signals: the answer says that the work has begun.

static gboolean gst_indextts2_src_load_device(GstElement* element, const gchar* device) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    return static_cast<gboolean>(device && e.devices.load(e.stream.engine(), device));
  });
}

static gboolean gst_indextts2_src_unload_device(GstElement* element, const gchar* device) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    return static_cast<gboolean>(device && e.devices.unload(e.stream.engine(), device));
  });
}

static void add_action(GType type, const char* name, GCallback handler) {
  g_signal_new_class_handler(name, type,
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             handler, nullptr, nullptr, nullptr, G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
}

// Class.

static void install_properties(GObjectClass* object) {
  guint id = 0;
  for (const Property& row : properties()) g_object_class_install_property(object, ++id, row.spec);
  g_object_class_install_property(object, uri_id(), uri_spec());
  g_object_class_install_property(object, stats_id(), stats_spec());
  g_object_class_install_property(object, available_devices_id(), available_devices_spec());
}

static void gst_indextts2_src_class_init(GstIndexTts2SrcClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_indextts2_src_debug, "indextts2src", 0, "IndexTTS2 source");
  GST_DEBUG_CATEGORY_INIT(gst_indextts2_engine_debug, "indextts2engine", 0, "IndexTTS2 engine");
  auto* object = G_OBJECT_CLASS(klass);
  auto* element = GST_ELEMENT_CLASS(klass);
  auto* source = GST_BASE_SRC_CLASS(klass);
  object->set_property = gst_indextts2_src_set_property;
  object->get_property = gst_indextts2_src_get_property;
  object->finalize = gst_indextts2_src_finalize;
  install_properties(object);
  add_action(G_TYPE_FROM_CLASS(klass), "load-device", G_CALLBACK(gst_indextts2_src_load_device));
  add_action(G_TYPE_FROM_CLASS(klass), "unload-device",
             G_CALLBACK(gst_indextts2_src_unload_device));
  element->change_state = GST_DEBUG_FUNCPTR(gst_indextts2_src_change_state);
  element->send_event = GST_DEBUG_FUNCPTR(gst_indextts2_src_send_event);
  element->request_new_pad = GST_DEBUG_FUNCPTR(gst_indextts2_src_request_new_pad);
  element->release_pad = GST_DEBUG_FUNCPTR(gst_indextts2_src_release_pad);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_set_static_metadata(
      element, "IndexTTS2 text-to-speech source", "Source/Converter/Text/Audio",
      "Speaks text in the voice of a short clip, on any number of CPUs and GPUs",
      "The indextts2src authors");
  source->start = GST_DEBUG_FUNCPTR(gst_indextts2_src_start);
  source->stop = GST_DEBUG_FUNCPTR(gst_indextts2_src_stop);
  source->unlock = GST_DEBUG_FUNCPTR(gst_indextts2_src_unlock);
  source->unlock_stop = GST_DEBUG_FUNCPTR(gst_indextts2_src_unlock_stop);
  source->set_caps = GST_DEBUG_FUNCPTR(gst_indextts2_src_set_caps);
  source->is_seekable = GST_DEBUG_FUNCPTR(gst_indextts2_src_is_seekable);
  source->do_seek = GST_DEBUG_FUNCPTR(gst_indextts2_src_do_seek);
  source->event = GST_DEBUG_FUNCPTR(gst_indextts2_src_event);
  source->query = GST_DEBUG_FUNCPTR(gst_indextts2_src_query);
  GST_PUSH_SRC_CLASS(klass)->create = GST_DEBUG_FUNCPTR(gst_indextts2_src_create);
}

static void gst_indextts2_src_init(GstIndexTts2Src* self) {
  self->element = new Element(GST_ELEMENT(self));
  self->element->stream.set_max_text_bytes(Settings().max_text_bytes);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
  self->element->base_activate = GST_PAD_ACTIVATEMODEFUNC(GST_BASE_SRC_PAD(self));
  gst_pad_set_activatemode_function(GST_BASE_SRC_PAD(self), GST_DEBUG_FUNCPTR(activate_src));
  gst_pad_add_probe(GST_BASE_SRC_PAD(self), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_src_event, self,
                    nullptr);
}
