// The element `indextts2caption`: speech of indextts2src in, the same sound and its words as text
// out.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_INDEXTTS2_CAPTION (gst_indextts2_caption_get_type())
G_DECLARE_FINAL_TYPE(GstIndexTts2Caption, gst_indextts2_caption, GST, INDEXTTS2_CAPTION, GstElement)
GST_ELEMENT_REGISTER_DECLARE(indextts2caption)

G_END_DECLS
