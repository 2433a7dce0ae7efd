// The pace of a live stream: waits until the running time is there, and lets go for PAUSED and
// flushes.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <mutex>

namespace indextts2 {

// Thread-safety: safe; wait() from one thread.
class LiveClock {
 public:
  enum class Wait { kReached, kPaused, kFlushing };

  explicit LiveClock(GstElement* element) : element_(element) {}
  LiveClock(const LiveClock&) = delete;

  // Waits until the running time is `until`; *now is it then. Without a clock: at once. kPaused
  // also when a pause has come and gone since the last wait_playing().
  Wait wait(GstClockTime until, GstClockTime* now);
  // Waits for PLAYING; false: flushing. (gst_base_src_wait_playing() would miss a PLAYING that
  // comes between a look at the state and the call.)
  bool wait_playing();
  // Before the base class goes to PLAYING or PAUSED.
  void set_playing(bool playing);
  void unlock();
  void unlock_stop();

 private:
  GstElement* const element_;  // owns this
  std::mutex mutex_;           // guards all below
  std::condition_variable changed_;
  GstClockID id_ = nullptr;  // that is waited for
  bool playing_ = false, flushing_ = false;
  unsigned pauses_ = 0, seen_pauses_ = 0;
};

}  // namespace indextts2
