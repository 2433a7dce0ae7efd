// Registration, writing and copying of GstIndexTTS2Meta.
#include "speech_meta.h"

#include "audio_slicer.h"

namespace indextts2 {
namespace {

// Copies of any kind and parts of a buffer keep what is said of the words; whatever else a
// transform is, the words stay those words.
gboolean copy_meta(GstBuffer* to, GstCustomMeta* meta, GstBuffer*, GQuark, gpointer, gpointer) {
  if (gst_buffer_get_custom_meta(to, kSpeechMetaName)) return TRUE;
  GstCustomMeta* const copy = gst_buffer_add_custom_meta(to, kSpeechMetaName);
  if (!copy) return FALSE;
  gst_structure_foreach(
      gst_custom_meta_get_structure(meta),
      [](GQuark field, const GValue* value, gpointer out) -> gboolean {
        gst_structure_id_set_value(static_cast<GstStructure*>(out), field, value);
        return TRUE;
      },
      gst_custom_meta_get_structure(copy));
  return TRUE;
}

// Kept for the life of the process.
GstCaps* text_time_caps() {
  static GstStaticCaps timestamps = GST_STATIC_CAPS("timestamp/x-indextts2-text");
  static GstCaps* const caps = gst_static_caps_get(&timestamps);
  return caps;
}

// When upstream wanted the words to be heard.
void add_text_time(GstBuffer* buffer, const SegmentInfo& info) {
  if (!info.text_time) return;
  gst_buffer_add_reference_timestamp_meta(buffer, text_time_caps(), *info.text_time,
                                          info.text_duration);
}

// For scaletempo mode=fit-down, which knows this meta since GStreamer 1.26.
void add_fitting_duration(GstBuffer* buffer, const SegmentInfo& info) {
  constexpr char kName[] = "GstScaletempoTargetDurationMeta";
  if (info.fitting_samples == 0 || !gst_meta_get_info(kName)) return;
  GstCustomMeta* const meta = gst_buffer_add_custom_meta(buffer, kName);
  if (!meta) return;
  gst_structure_set(gst_custom_meta_get_structure(meta), "duration", GST_TYPE_CLOCK_TIME,
                    time_of_sample(info.fitting_samples), nullptr);
}

}  // namespace

void register_speech_meta() {
  static const gsize once = [] {
    static const gchar* no_tags[] = {nullptr};
    gst_meta_register_custom(kSpeechMetaName, no_tags, copy_meta, nullptr, nullptr);
    text_time_caps();
    return gsize{1};
  }();
  (void)once;
}

void add_speech_meta(GstBuffer* buffer, const SegmentInfo& info, uint64_t offset, uint64_t count) {
  GstCustomMeta* const meta = gst_buffer_add_custom_meta(buffer, kSpeechMetaName);
  if (!meta) return;
  gst_structure_set(
      gst_custom_meta_get_structure(meta), "id", G_TYPE_UINT64, static_cast<guint64>(info.id),
      "index", G_TYPE_INT, info.index, "text", G_TYPE_STRING, info.text.c_str(), "text-offset",
      G_TYPE_UINT64, static_cast<guint64>(info.begin), "text-length", G_TYPE_UINT64,
      static_cast<guint64>(info.end - info.begin), "last-segment", G_TYPE_BOOLEAN,
      static_cast<gboolean>(info.last), "voice", G_TYPE_STRING, info.voice.c_str(), "device",
      G_TYPE_STRING, info.device.c_str(), "seed", G_TYPE_UINT64, static_cast<guint64>(info.seed),
      "position", GST_TYPE_CLOCK_TIME, time_of_sample(offset), "duration", GST_TYPE_CLOCK_TIME,
      time_of_sample(info.samples), "first", G_TYPE_BOOLEAN, static_cast<gboolean>(offset == 0),
      "last", G_TYPE_BOOLEAN, static_cast<gboolean>(offset + count == info.samples), nullptr);
  add_text_time(buffer, info);
  if (offset == 0 && count == info.samples) add_fitting_duration(buffer, info);
}

const GstStructure* speech_meta_of(GstBuffer* buffer) {
  GstCustomMeta* const meta = gst_buffer_get_custom_meta(buffer, kSpeechMetaName);
  return meta ? gst_custom_meta_get_structure(meta) : nullptr;
}

}  // namespace indextts2
