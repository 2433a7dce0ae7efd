// Objects that are alive, from the lists of the leaks tracer.
#include "alive.h"

#include <cstdlib>
#include <fstream>

#include "case.h"

namespace player {
namespace {

GObject* leaks_tracer() {
  GObject* found = nullptr;
  GList* tracers = gst_tracing_get_active_tracers();
  for (GList* item = tracers; item; item = item->next) {
    if (std::string(G_OBJECT_TYPE_NAME(item->data)) == "GstLeaksTracer") {
      found = G_OBJECT(item->data);
    }
  }
  g_list_free_full(tracers, gst_object_unref);
  fail_unless(found != nullptr, "GST_TRACERS=leaks is not in force");
  return found;  // the tracer lives as long as GStreamer
}

}  // namespace

Alive::Alive() : tracer_(leaks_tracer()) {
  g_signal_emit_by_name(tracer_, "activity-start-tracking");
}

void Alive::count(const GstStructure* activity, const char* name, int step) {
  const GValue* list = gst_structure_get_value(activity, name);
  for (guint i = 0; list && i < gst_value_list_get_size(list); ++i) {
    const GstStructure* item = gst_value_get_structure(gst_value_list_get_value(list, i));
    const char* type = gst_structure_get_string(item, "type-name");
    const char* address = gst_structure_get_string(item, "address");
    fail_unless(type != nullptr && address != nullptr, "%s without type or address", name);
    const auto object = objects_.try_emplace({type, address}, 0).first;
    object->second += step;
    if (object->second == 0) objects_.erase(object);
  }
}

std::map<std::string, int> Alive::by_type() {
  GstStructure* activity = nullptr;
  g_signal_emit_by_name(tracer_, "activity-get-checkpoint", &activity);
  count(activity, "objects-created-list", 1);
  count(activity, "objects-removed-list", -1);
  gst_structure_free(activity);
  std::map<std::string, int> types;
  for (const auto& [object, count] : objects_) {
    if (count > 0) types[object.first] += count;
  }
  return types;
}

std::string Alive::left() {
  std::string left;
  // A task's thread lets its task go a moment after the pad was stopped.
  wait_until([&] {
    left.clear();
    for (const auto& [type, count] : by_type()) {
      const auto kept = kept_.find(type);
      if (count > (kept == kept_.end() ? 0 : kept->second)) {
        left += " " + std::to_string(count) + " " + type;
      }
    }
    return left.empty();
  });
  return left;
}

long resident_kib() {
  if (kSanitizer) return 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

}  // namespace player
