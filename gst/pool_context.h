// The GstContext indextts2.pool: a loaded engine that an element hands on to other elements and to
// the application, which may keep it beyond the life of a pipeline.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "indextts2/engine.h"

namespace indextts2 {

inline constexpr char kPoolContext[] = "indextts2.pool";

// The elements that hear of one engine's devices. Thread-safety: safe.
class DeviceListeners {
 public:
  void add(GstElement* element);
  void remove(GstElement* element);
  void tell(const DeviceEvent& event) const;

 private:
  mutable std::mutex mutex_;  // guards posters_; not held while one runs
  std::map<GstElement*, std::function<void(const DeviceEvent&)>> posters_;
};

// What the context contains, in its field `pool`.
struct SharedPool {
  std::string key;  // engine_key() of the options that it was opened with
  std::string model_dir, devices;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<DeviceListeners> listeners;
};

// The context side of one element. Thread-safety: safe.
class PoolSharing {
 public:
  explicit PoolSharing(GstElement* element) : element_(element) {}
  ~PoolSharing() { forget(); }
  PoolSharing(const PoolSharing&) = delete;

  // Where elements look: in the contexts that were set, at the neighbours, at bins and application
  // (NEED_CONTEXT). Null: none, or one of other options. Also makes *options tell device events to
  // whoever shares the engine later. Posts; call it with no lock held, and before offer().
  std::shared_ptr<Engine> find(EngineOptions* options);
  // The engine of those options speaks now: HAVE_CONTEXT, unless it came from a context.
  void offer(const std::shared_ptr<Engine>& engine);
  // False: not a question about kPoolContext, or there is none.
  bool answer(GstQuery* query) const;
  // The element lets its engine go.
  void forget();

 private:
  GstContext* search() const;
  void listen(std::shared_ptr<DeviceListeners> listeners);

  GstElement* const element_;  // owns this
  mutable std::mutex mutex_;   // guards all below
  SharedPool own_;             // engine: null
  bool shares_ = false;
};

}  // namespace indextts2
