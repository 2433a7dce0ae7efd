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

#include <memory>
#include <mutex>

#include "audio_slicer.h"
#include "engine_library.h"
#include "programme.h"
#include "properties.h"
#include "source_uri.h"
#include "speech_meta.h"
#include "src_element.h"
#include "stats.h"

GST_DEBUG_CATEGORY(gst_indextts2_src_debug);
GST_DEBUG_CATEGORY_STATIC(gst_indextts2_engine_debug);
#define GST_CAT_DEFAULT gst_indextts2_src_debug

using namespace indextts2;

namespace {

const std::vector<Property>& properties() {
  static const std::vector<Property>* const rows = [] {
    auto* all = new std::vector<Property>;
    add_stream_properties(all);
    add_live_properties(all);
    add_speech_properties(all);
    return all;
  }();
  return *rows;
}

// Ids after those of properties().
guint uri_id() { return static_cast<guint>(properties().size()) + 1; }
guint stats_id() { return uri_id() + 1; }
guint available_devices_id() { return uri_id() + 2; }
guint state_id() { return uri_id() + 3; }
guint queued_id() { return uri_id() + 4; }
guint current_id() { return uri_id() + 5; }

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

G_DEFINE_TYPE_WITH_CODE(GstIndexTts2Src, gst_indextts2_src, GST_TYPE_PUSH_SRC,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER, src_uri_handler_init))
GST_ELEMENT_REGISTER_DEFINE(indextts2src, "indextts2src", GST_RANK_NONE, GST_TYPE_INDEXTTS2_SRC)

#define parent_class gst_indextts2_src_parent_class

namespace indextts2 {

Element& element_of(gpointer self) { return *GST_INDEXTTS2_SRC(self)->element; }

gpointer src_base_class() { return parent_class; }

Element::Element(GstElement* element)
    : reporter(element),
      progress(element),
      devices(element),
      pool(element),
      live([this, element](const std::vector<Notice>& notices) {
        post_notices(GST_BASE_SRC(element), *this, notices);
      }),
      turns(GST_BASE_SRC_PAD(element), &stream),
      clock(element) {
  gst_audio_info_set_format(&info, GST_AUDIO_FORMAT_F32LE, kSampleRateHz, 1, nullptr);
}

Element::~Element() {
  drop_kept_events();
  gst_clear_object(&text_pad);
}

void Element::keep_event(GstEvent* event) {
  std::lock_guard<std::mutex> lock(mutex);
  kept_events.push_back(event);
}

void Element::keep_chapters(std::vector<Chapter> told) {
  std::lock_guard<std::mutex> lock(mutex);
  chapters.swap(told);
}

void Element::send_kept_events(GstPad* pad) {
  std::vector<GstEvent*> events;
  {
    std::lock_guard<std::mutex> lock(mutex);
    events.swap(kept_events);
  }
  for (GstEvent* event : events) gst_pad_push_event(pad, event);
}

void Element::drop_kept_events() {
  std::vector<GstEvent*> events;
  {
    std::lock_guard<std::mutex> lock(mutex);
    events.swap(kept_events);
  }
  for (GstEvent* event : events) gst_event_unref(event);
}

StreamStats Element::stats() {
  StreamStats stats = flow().stats();
  stats.late_buffers = late_buffers;
  stats.late_jumps = late_jumps;
  return stats;
}

Settings Element::copy_settings() {
  std::lock_guard<std::mutex> lock(mutex);
  return settings;
}

GstAudioInfo Element::copy_info() {
  std::lock_guard<std::mutex> lock(mutex);
  return info;
}

}  // namespace indextts2

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
    e.flow().configure(flow_settings(now));
    if (!g_strcmp0(spec->name, "latency") && e.is_live) {
      gst_element_post_message(GST_ELEMENT(object), gst_message_new_latency(GST_OBJECT(object)));
    }
    if (!g_strcmp0(spec->name, "text")) append_text(GST_BASE_SRC(object), e, now);
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
      g_value_take_boxed(value, make_stats(e.stats(), settings));
    } else if (id == state_id()) {
      g_value_set_enum(value, static_cast<gint>(flow_state(e.flow().stats())));
    } else if (id == queued_id()) {
      g_value_set_uint(value, static_cast<guint>(e.flow().stats().waiting_texts));
    } else if (id == current_id()) {
      g_value_set_uint64(value, e.flow().stats().current);
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
  e.live.forget_engine();
  e.pool.forget();
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
    e.is_live = e.copy_settings().is_live;
    gst_base_src_set_live(GST_BASE_SRC(element), e.is_live);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    e.clock.set_playing(true);
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    e.clock.set_playing(false);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    e.flow().set_pad_flushing(true);  // first of all: chain() may wait for space
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
    GstPad* text_pad = linked_text_pad(e);
    const bool pad_linked = text_pad != nullptr;
    gst_clear_object(&text_pad);
    std::vector<Utterance> programme =
        programme_of(settings, pad_linked || settings.keep_alive || settings.is_live);
    EngineOptions options = engine_options(settings, find_model(settings.model_path));
    options.log = log_engine;
    std::shared_ptr<Engine> lent = e.pool.find(&options);
    SessionOptions session;
    session.window = static_cast<int>(settings.prefetch);
    session.schedule = settings.schedule;
    const uint64_t samples = samples_in(settings.buffer_duration_ns);
    e.chunk_samples = settings.buffer_duration_ns == 0 ? kNoSample : std::max<uint64_t>(samples, 1);
    e.restart_segment = false;
    e.late_buffers = e.late_jumps = 0;
    e.keep_chapters({});
    if (e.is_live) start_live(e, settings);
    e.flow().configure(flow_settings(settings));
    e.flow().set_pad(pad_linked, /*ended=*/false);
    if (settings.preload) e.progress.start("load");
    if (lent) e.flow().lend(std::move(lent), engine_key(options));
    e.flow().start(open_engine_library(), options, voice_options(settings), session,
                   settings.preload);
    if (programme.empty()) return static_cast<gboolean>(TRUE);
    uint64_t id = 0;
    std::vector<Notice> notices;
    accept_all(&e.flow(), std::move(programme), &id, &notices);
    post_notices(source, e, notices);
    return static_cast<gboolean>(TRUE);
  });
}

static gboolean gst_indextts2_src_stop(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    std::vector<Notice> notices;
    e.flow().stop(&notices);
    e.sent_buffers = false;
    post_notices(source, e, notices);
    e.drop_kept_events();  // they tell of a stream that is over
    e.progress.cancel();
    return static_cast<gboolean>(TRUE);
  });
}

static gboolean gst_indextts2_src_unlock(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    e.clock.unlock();
    e.flow().unlock();
    return static_cast<gboolean>(TRUE);
  });
}

static gboolean gst_indextts2_src_unlock_stop(GstBaseSrc* source) {
  Element& e = element_of(source);
  return guarded(e.reporter, static_cast<gboolean>(FALSE), [&] {
    e.clock.unlock_stop();
    e.flow().unlock_stop();
    return static_cast<gboolean>(TRUE);
  });
}

// Class.

static void install_properties(GObjectClass* object) {
  guint id = 0;
  for (const Property& row : properties()) g_object_class_install_property(object, ++id, row.spec);
  g_object_class_install_property(object, uri_id(), uri_spec());
  g_object_class_install_property(object, stats_id(), stats_spec());
  g_object_class_install_property(object, available_devices_id(), available_devices_spec());
  const auto read_only = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property(
      object, state_id(),
      g_param_spec_enum("state", nullptr, "What the element is doing", flow_state_type(),
                        static_cast<gint>(FlowState::kStopped), read_only));
  g_object_class_install_property(
      object, queued_id(),
      g_param_spec_uint("queued", nullptr, "Texts accepted and not yet spoken to their end", 0,
                        G_MAXUINT, 0, read_only));
  g_object_class_install_property(
      object, current_id(),
      g_param_spec_uint64("current-utterance", nullptr, "Id of the text that sounds, 0: none", 0,
                          G_MAXUINT64, 0, read_only));
}

static void gst_indextts2_src_class_init(GstIndexTts2SrcClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_indextts2_src_debug, "indextts2src", 0, "IndexTTS2 source");
  GST_DEBUG_CATEGORY_INIT(gst_indextts2_engine_debug, "indextts2engine", 0, "IndexTTS2 engine");
  register_speech_meta();
  auto* object = G_OBJECT_CLASS(klass);
  auto* element = GST_ELEMENT_CLASS(klass);
  auto* source = GST_BASE_SRC_CLASS(klass);
  object->set_property = gst_indextts2_src_set_property;
  object->get_property = gst_indextts2_src_get_property;
  object->finalize = gst_indextts2_src_finalize;
  install_properties(object);
  add_control_signals(G_TYPE_FROM_CLASS(klass));
  element->change_state = GST_DEBUG_FUNCPTR(gst_indextts2_src_change_state);
  element->send_event = GST_DEBUG_FUNCPTR(src_send_event);
  element->request_new_pad = GST_DEBUG_FUNCPTR(src_request_pad);
  element->release_pad = GST_DEBUG_FUNCPTR(src_release_pad);
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
  src_flow_class_init(source);
}

static void gst_indextts2_src_init(GstIndexTts2Src* self) {
  self->element = new Element(GST_ELEMENT(self));
  self->element->flow().configure(flow_settings(Settings()));
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
  src_flow_init(GST_BASE_SRC(self));
}
