// Plugin entry point. The registry scan runs it: it opens no engine, no device and no file.
#include <gst/gst.h>

#include "gstindextts2caption.h"
#include "gstindextts2src.h"

static gboolean plugin_init(GstPlugin* plugin) {
  const gboolean source = GST_ELEMENT_REGISTER(indextts2src, plugin);
  return GST_ELEMENT_REGISTER(indextts2caption, plugin) && source;
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, indextts2, "IndexTTS2 text-to-speech",
                  plugin_init, PACKAGE_VERSION, "MIT/X11", PACKAGE,
                  "https://github.com/index-tts/index-tts")
