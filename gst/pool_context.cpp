// Context of a pool: search, announcement, answers.
#include "pool_context.h"

#include <utility>

#include "device_tasks.h"
#include "speech_flow.h"

GST_DEBUG_CATEGORY_STATIC(gst_indextts2_pool_debug);
#define GST_CAT_DEFAULT gst_indextts2_pool_debug

namespace indextts2 {
namespace {

using PoolPointer = std::shared_ptr<const SharedPool>;

// A boxed type, so that the context can be copied and kept by those who know nothing of C++.
GType pool_type() {
  static const GType type = [] {
    GST_DEBUG_CATEGORY_INIT(gst_indextts2_pool_debug, "indextts2pool", 0, "IndexTTS2 shared pools");
    const GType made = g_boxed_type_register_static(
        "GstIndexTts2Pool",
        [](gpointer pool) -> gpointer { return new PoolPointer(*static_cast<PoolPointer*>(pool)); },
        [](gpointer pool) { delete static_cast<PoolPointer*>(pool); });
    g_value_register_transform_func(made, G_TYPE_STRING, [](const GValue* from, GValue* to) {
      const auto* const pool = static_cast<const PoolPointer*>(g_value_get_boxed(from));
      g_value_set_string(to, pool ? ((*pool)->model_dir + " on " + (*pool)->devices).c_str() : "");
    });
    return made;
  }();
  return type;
}

GstContext* context_of(SharedPool pool) {
  const PoolPointer held = std::make_shared<const SharedPool>(std::move(pool));
  GstContext* const context = gst_context_new(kPoolContext, /*persistent=*/FALSE);
  gst_structure_set(gst_context_writable_structure(context), "model-path", G_TYPE_STRING,
                    held->model_dir.c_str(), "devices", G_TYPE_STRING, held->devices.c_str(),
                    "pool", pool_type(), &held, nullptr);
  return context;
}

// Takes the context. Null: it has no pool.
PoolPointer pool_of(GstContext* context) {
  if (!context) return nullptr;
  const GValue* const field = gst_structure_get_value(gst_context_get_structure(context), "pool");
  PoolPointer pool;
  if (field && G_VALUE_HOLDS(field, pool_type())) {
    if (const gpointer boxed = g_value_get_boxed(field)) pool = *static_cast<PoolPointer*>(boxed);
  }
  gst_context_unref(context);
  return pool;
}

// Asks the peers of the element's pads of one direction, until one has an answer.
GstContext* ask_peers(GstElement* element, GstPadDirection direction) {
  struct Search {
    GstQuery* query;
    GstPadDirection direction;
    bool found = false;
  } search{gst_query_new_context(kPoolContext), direction};
  gst_element_foreach_pad(
      element,
      [](GstElement*, GstPad* pad, gpointer data) -> gboolean {
        auto* const asked = static_cast<Search*>(data);
        if (GST_PAD_DIRECTION(pad) != asked->direction) return TRUE;
        asked->found = gst_pad_peer_query(pad, asked->query);
        return !asked->found;
      },
      &search);
  GstContext* context = nullptr;
  if (search.found) gst_query_parse_context(search.query, &context);
  if (context) gst_context_ref(context);
  gst_query_unref(search.query);
  return context;
}

}  // namespace

void DeviceListeners::add(GstElement* element) {
  std::lock_guard<std::mutex> lock(mutex_);
  posters_[element] = device_event_poster(element);
}

void DeviceListeners::remove(GstElement* element) {
  std::lock_guard<std::mutex> lock(mutex_);
  posters_.erase(element);
}

void DeviceListeners::tell(const DeviceEvent& event) const {
  std::map<GstElement*, std::function<void(const DeviceEvent&)>> posters;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    posters = posters_;
  }
  for (const auto& [element, post] : posters) post(event);
}

GstContext* PoolSharing::search() const {
  if (GstContext* const set = gst_element_get_context(element_, kPoolContext)) return set;
  for (const GstPadDirection direction : {GST_PAD_SRC, GST_PAD_SINK}) {
    GstContext* const context = ask_peers(element_, direction);
    if (!context) continue;
    gst_element_set_context(element_, context);
    return context;
  }
  // Bins and applications answer while the message is posted.
  gst_element_post_message(element_,
                           gst_message_new_need_context(GST_OBJECT(element_), kPoolContext));
  return gst_element_get_context(element_, kPoolContext);
}

std::shared_ptr<Engine> PoolSharing::find(EngineOptions* options) {
  const std::string key = engine_key(*options);
  PoolPointer found = options->share_pool ? pool_of(search()) : nullptr;
  if (found && (found->key != key || has_no_device(found->engine))) {
    GST_INFO_OBJECT(element_, "the pool of %s on %s is not used: other options, or no device left",
                    found->model_dir.c_str(), found->devices.c_str());
    found = nullptr;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  shares_ = options->share_pool;
  if (found) {
    listen(found->listeners);
  } else if (!own_.listeners || own_.key != key) {
    listen(std::make_shared<DeviceListeners>());
  }
  own_.key = key;
  own_.model_dir = options->model_dir;
  own_.devices.clear();
  for (const std::string& device : options->devices) {
    own_.devices += (own_.devices.empty() ? "" : ",") + device;
  }
  options->device_event = [listeners = own_.listeners](const DeviceEvent& event) {
    listeners->tell(event);
  };
  return found ? found->engine : nullptr;
}

// With mutex_ held.
void PoolSharing::listen(std::shared_ptr<DeviceListeners> listeners) {
  if (own_.listeners == listeners) return;
  if (own_.listeners) own_.listeners->remove(element_);
  own_.listeners = std::move(listeners);
  if (own_.listeners) own_.listeners->add(element_);
}

void PoolSharing::offer(const std::shared_ptr<Engine>& engine) {
  SharedPool pool;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!shares_ || !engine) return;
    pool = own_;
  }
  const PoolPointer known = pool_of(gst_element_get_context(element_, kPoolContext));
  if (known && known->engine == engine) return;
  pool.engine = engine;
  GstContext* const context = context_of(std::move(pool));
  gst_element_set_context(element_, context);
  gst_element_post_message(element_, gst_message_new_have_context(GST_OBJECT(element_), context));
}

bool PoolSharing::answer(GstQuery* query) const {
  const gchar* type = nullptr;
  if (!gst_query_parse_context_type(query, &type) || g_strcmp0(type, kPoolContext) != 0) {
    return false;
  }
  GstContext* const context = gst_element_get_context(element_, kPoolContext);
  if (!context) return false;
  gst_query_set_context(query, context);
  gst_context_unref(context);
  return true;
}

void PoolSharing::forget() {
  std::lock_guard<std::mutex> lock(mutex_);
  listen(nullptr);
  own_ = SharedPool();
}

}  // namespace indextts2
