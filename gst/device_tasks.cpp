// Threads of the device actions, and the messages about devices.
#include "device_tasks.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <thread>
#include <utility>

#include "engine_load.h"
#include "errors.h"

namespace indextts2 {
namespace {

// A reference that does not keep the element alive.
class WeakElement {
 public:
  explicit WeakElement(GstElement* element) { g_weak_ref_init(&weak_, element); }
  ~WeakElement() { g_weak_ref_clear(&weak_); }
  WeakElement(const WeakElement&) = delete;
  WeakElement& operator=(const WeakElement&) = delete;

  // Calls `function` with the element, if it lives.
  template <typename Function>
  void with(const Function& function) {
    auto* element = static_cast<GstElement*>(g_weak_ref_get(&weak_));
    if (!element) return;
    function(element);
    gst_object_unref(element);
  }

 private:
  GWeakRef weak_;
};

void post_progress(GstElement* element, GstProgressType type, const std::string& code,
                   const std::string& text, int percent) {
  GstMessage* message =
      gst_message_new_progress(GST_OBJECT(element), type, code.c_str(), text.c_str());
  GstStructure* fields = gst_message_writable_structure(message);
  gst_structure_set(fields, "percent", G_TYPE_INT, percent, nullptr);
  gst_element_post_message(element, message);
}

void post_event(GstElement* element, const DeviceEvent& event) {
  const char* name = "indextts2/device-lost";
  if (event.kind == DeviceEvent::Kind::kLoaded) name = "indextts2/device-loaded";
  if (event.kind == DeviceEvent::Kind::kUnloaded) name = "indextts2/device-unloaded";
  gst_element_post_message(
      element,
      gst_message_new_element(GST_OBJECT(element),
                              gst_structure_new(name, "device", G_TYPE_STRING, event.device.c_str(),
                                                "reason", G_TYPE_STRING, event.message.c_str(),
                                                "replicas-left", G_TYPE_INT, event.left, nullptr)));
  if (event.kind != DeviceEvent::Kind::kLost || event.left == 0) return;
  Reporter(element).warning(Error(ErrorCode::kDeviceLost,
                                  "Device " + event.device + " was lost; " +
                                      std::to_string(event.left) +
                                      " replicas go on with its segments. " + event.message,
                                  event.detail));
}

// Tasks that still run. exit() stops them before the engine's own statics go. Never destroyed.
struct RunningTasks {
  std::mutex mutex;  // guards count
  std::condition_variable gone;
  int count = 0;
  std::atomic<bool> exiting{false};
};

RunningTasks& running_tasks() {
  static RunningTasks* const instance = new RunningTasks;
  return *instance;
}

void stop_tasks_at_exit() {
  RunningTasks& running = running_tasks();
  running.exiting = true;
  std::unique_lock<std::mutex> lock(running.mutex);
  running.gone.wait_for(lock, std::chrono::seconds(2), [&] { return running.count == 0; });
}

void count_task(int change) {
  RunningTasks& running = running_tasks();
  // Registered after the engine library was opened, so it runs before that library's handlers.
  static const int registered = std::atexit(stop_tasks_at_exit);
  (void)registered;
  std::lock_guard<std::mutex> lock(running.mutex);
  running.count += change;
  running.gone.notify_all();
}

// One action: `work` on a thread of its own, between a START and an end.
bool run_task(GstElement* element, const std::string& code, const std::string& device,
              std::function<void(const std::function<void(int)>& percent)> work) {
  const auto weak = std::make_shared<WeakElement>(element);
  const auto post = [weak, code, device](GstProgressType type, int percent) {
    weak->with([&](GstElement* alive) { post_progress(alive, type, code, device, percent); });
  };
  count_task(1);
  try {
    post(GST_PROGRESS_TYPE_START, 0);
    std::thread([weak, post, work = std::move(work)]() mutable {
      try {
        work([&](int percent) { post(GST_PROGRESS_TYPE_CONTINUE, percent); });
        post(GST_PROGRESS_TYPE_COMPLETE, 100);
      } catch (...) {
        const Error error = current_error();
        if (error.code == ErrorCode::kCancelled) {
          post(GST_PROGRESS_TYPE_CANCELED, 0);
        } else {
          weak->with([&](GstElement* alive) { Reporter(alive).warning(error); });
          post(GST_PROGRESS_TYPE_ERROR, 0);
        }
      }
      work = nullptr;  // the engine goes before the task is counted out
      count_task(-1);
    }).detach();
  } catch (...) {
    count_task(-1);
    throw;
  }
  return true;
}

}  // namespace

std::function<void(const DeviceEvent&)> device_event_poster(GstElement* element) {
  const auto weak = std::make_shared<WeakElement>(element);
  return [weak](const DeviceEvent& event) {
    weak->with([&](GstElement* alive) { post_event(alive, event); });
  };
}

DeviceTasks::Stop DeviceTasks::stop() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stop_;
}

bool DeviceTasks::load(std::shared_ptr<Engine> engine, const std::string& device) {
  if (!engine) return false;
  return run_task(element_, "load-device", device,
                  [engine = std::move(engine), device, stop = stop()](const auto& percent) {
                    DeviceLoadOptions options;
                    options.stop = [&] { return *stop || running_tasks().exiting; };
                    int told = 0;
                    options.progress = [&](const Progress& step) {
                      const int now = percent_of(step) / 10 * 10;
                      if (now > told) percent(told = now);
                    };
                    engine->load_device(device, options);
                  });
}

bool DeviceTasks::unload(std::shared_ptr<Engine> engine, const std::string& device) {
  if (!engine) return false;
  return run_task(
      element_, "unload-device", device,
      [engine = std::move(engine), device](const auto&) { engine->unload_device(device); });
}

void DeviceTasks::cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  *stop_ = true;
  stop_ = std::make_shared<std::atomic<bool>>(false);
}

}  // namespace indextts2
