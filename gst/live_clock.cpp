// Waiting on the pipeline's clock.
#include "live_clock.h"

namespace indextts2 {

LiveClock::Wait LiveClock::wait(GstClockTime until, GstClockTime* now) {
  GstClock* const clock = gst_element_get_clock(element_);
  const GstClockTime base = gst_element_get_base_time(element_);
  for (;;) {
    GstClockID id = nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      Wait answer = Wait::kReached;
      if (!playing_ || pauses_ != seen_pauses_) answer = Wait::kPaused;
      if (flushing_) answer = Wait::kFlushing;
      *now = until;
      if (clock) {
        const GstClockTime time = gst_clock_get_time(clock);
        *now = time > base ? time - base : 0;
      }
      if (answer != Wait::kReached || *now >= until) {
        if (clock) gst_object_unref(clock);
        return answer;
      }
      id = id_ = gst_clock_new_single_shot_id(clock, base + until);
    }
    gst_clock_id_wait(id, nullptr);
    std::lock_guard<std::mutex> lock(mutex_);
    id_ = nullptr;
    gst_clock_id_unref(id);
  }
}

bool LiveClock::wait_playing() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return playing_ || flushing_; });
  seen_pauses_ = pauses_;
  return !flushing_;
}

void LiveClock::set_playing(bool playing) {
  std::lock_guard<std::mutex> lock(mutex_);
  playing_ = playing;
  if (!playing) ++pauses_;
  changed_.notify_all();
  if (id_ && !playing) gst_clock_id_unschedule(id_);
}

void LiveClock::unlock() {
  std::lock_guard<std::mutex> lock(mutex_);
  flushing_ = true;
  changed_.notify_all();
  if (id_) gst_clock_id_unschedule(id_);
}

void LiveClock::unlock_stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  flushing_ = false;
}

}  // namespace indextts2
