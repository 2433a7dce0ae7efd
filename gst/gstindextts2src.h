// The element indextts2src: IndexTTS2 text-to-speech as a GStreamer source.
#pragma once

#include <gst/base/gstpushsrc.h>

G_BEGIN_DECLS

#define GST_TYPE_INDEXTTS2_SRC (gst_indextts2_src_get_type())
G_DECLARE_FINAL_TYPE(GstIndexTts2Src, gst_indextts2_src, GST, INDEXTTS2_SRC, GstPushSrc)
GST_ELEMENT_REGISTER_DECLARE(indextts2src)

G_END_DECLS
