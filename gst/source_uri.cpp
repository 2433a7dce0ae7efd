// URIs to settings and back.
#include "source_uri.h"

#include <glib.h>

#include <memory>

namespace indextts2 {
namespace {

struct GFree {
  void operator()(void* memory) const { g_free(memory); }
};
using GText = std::unique_ptr<char, GFree>;

}  // namespace

bool set_uri(Settings* settings, const std::string& uri) {
  const std::string prefix = std::string(kUriProtocol) + ':';
  if (g_ascii_strncasecmp(uri.c_str(), prefix.c_str(), prefix.size()) == 0) {
    std::string escaped = uri.substr(prefix.size());
    // Applications that know only hierarchical URIs write indextts2://TEXT.
    if (escaped.compare(0, 2, "//") == 0) escaped.erase(0, 2);
    GText text(g_uri_unescape_string(escaped.c_str(), nullptr));
    if (!text) return false;
    settings->text = text.get();
    settings->location.reset();
    return true;
  }
  if (g_ascii_strncasecmp(uri.c_str(), "file:", 5) != 0) return false;
  settings->location = uri;
  settings->text.reset();
  return true;
}

std::string get_uri(const Settings& settings) {
  if (settings.text) {
    GText escaped(g_uri_escape_string(settings.text->c_str(), nullptr, /*allow_utf8=*/TRUE));
    return std::string(kUriProtocol) + ':' + escaped.get();
  }
  if (!settings.location || settings.location->empty()) return {};
  if (settings.location->rfind("file:", 0) == 0) return *settings.location;
  GText path(g_canonicalize_filename(settings.location->c_str(), nullptr));
  GText uri(g_filename_to_uri(path.get(), nullptr, nullptr));
  return uri ? uri.get() : "";
}

}  // namespace indextts2
