// URI handler of indextts2src.
#include "source_uri.h"
#include "src_element.h"

namespace indextts2 {

static gboolean src_uri_set(GstURIHandler* handler, const gchar* uri, GError** error) {
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

void src_uri_handler_init(gpointer iface, gpointer) {
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
  handler->set_uri = src_uri_set;
}

}  // namespace indextts2
