// A live indextts2src in a harness with a test clock: every buffer and message, step by step.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace player {

struct LiveBuffer {
  GstClockTime pts, duration;
  bool gap, discont;
  std::vector<float> samples;
  guint64 id;  // of the utterance; 0: silence
};

struct LiveMessage {
  std::string name;  // without "indextts2/"
  std::string full_name;
  guint64 id = 0;
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  guint64 heard = 0;
  std::string reason, user_data;
  std::set<std::string> fields;  // names
  size_t buffers_before = 0;     // that had been taken when it was posted
};

// Thread-safety: one thread.
class LiveRig {
 public:
  // Properties as in a launch line, in addition to model-path=tone: is-live=true seed=1.
  explicit LiveRig(const std::string& properties = "");
  ~LiveRig();
  LiveRig(const LiveRig&) = delete;

  GstElement* element() const { return element_; }
  GstHarness* harness() const { return harness_; }
  guint64 speak(const std::string& text);
  // Fields as gst_structure_from_string reads them.
  guint64 speak_full(const std::string& fields);
  bool cancel(guint64 id);
  // Waits until the element has that many segments spoken in all.
  void wait_spoken(guint64 segments);
  // Turns the clock on until `count` more buffers are there.
  void step(int count = 1);
  // Until an utterance-end or -dropped of `id`.
  void step_to_end(guint64 id);
  // Until `id` sounds.
  void step_to_sound(guint64 id);

  std::vector<LiveBuffer> buffers;
  std::vector<LiveMessage> messages();
  // Messages since the last call; forgets them, and events.
  std::vector<LiveMessage> take_messages();
  void forget_messages() { take_messages(); }
  std::vector<LiveMessage> messages(const std::string& name, guint64 id);
  std::vector<GstClockTimeDiff> late();  // of QOS messages
  std::vector<float> samples_of(guint64 id) const;
  GstClockTime now() const;

 private:
  bool step_until(const std::function<bool()>& reached);
  static GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer self);
  void take(GstBuffer* buffer);

  GstElement* element_;
  GstHarness* harness_ = nullptr;
  GstBus* bus_;
  std::mutex mutex_;  // guards all below
  std::vector<LiveMessage> messages_;
  std::vector<GstClockTimeDiff> late_;
};

}  // namespace player
