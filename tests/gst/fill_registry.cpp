// Scans all plugins into GST_REGISTRY, so that the tests of a sanitizer's build need not.
#include <gst/gst.h>

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  GstPluginFeature* const found = gst_registry_lookup_feature(gst_registry_get(), "indextts2src");
  if (!found) {
    g_printerr("indextts2src is not in the registry\n");
    return 1;
  }
  gst_object_unref(found);
  return 0;
}
