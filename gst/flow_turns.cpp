// Turns of flushes and seeks, see Note [Turns].
#include "flow_turns.h"

#include <chrono>

#include "speech_stream.h"

GST_DEBUG_CATEGORY_EXTERN(gst_indextts2_src_debug);
#define GST_CAT_DEFAULT gst_indextts2_src_debug

namespace indextts2 {
namespace {

constexpr std::chrono::milliseconds kSeekPause{2};  // between two looks whether the stream stands
constexpr std::chrono::milliseconds kPausedPatience{500};

// Ends a stream lock that was taken by try_stream_lock().
class StreamUnlock {
 public:
  explicit StreamUnlock(GstPad* pad) : pad_(pad) {}
  ~StreamUnlock() { GST_PAD_STREAM_UNLOCK(pad_); }
  StreamUnlock(const StreamUnlock&) = delete;

 private:
  GstPad* const pad_;
};

}  // namespace

class FlowTurns::Turn {
 public:
  explicit Turn(FlowTurns* turns) : turns_(turns) {
    const std::thread::id self = std::this_thread::get_id();
    std::unique_lock<std::mutex> lock(turns_->mutex_);
    taken_ = turns_->free_.wait_for(lock, std::chrono::seconds(kPatienceSeconds),
                                    [&] { return turns_->depth_ == 0 || turns_->owner_ == self; });
    if (taken_) {
      turns_->owner_ = self;
      ++turns_->depth_;
    } else {
      GST_WARNING_OBJECT(turns_->pad_, "another flush or seek did not end within %d s",
                         kPatienceSeconds);
    }
  }
  ~Turn() {
    if (!taken_) return;
    std::lock_guard<std::mutex> lock(turns_->mutex_);
    if (--turns_->depth_ == 0) turns_->free_.notify_one();
  }
  Turn(const Turn&) = delete;
  bool taken() const { return taken_; }

 private:
  FlowTurns* const turns_;
  bool taken_ = false;
};

bool FlowTurns::is_flushing() const {
  GST_OBJECT_LOCK(pad_);
  const bool flushing = GST_PAD_IS_FLUSHING(pad_);
  GST_OBJECT_UNLOCK(pad_);
  return flushing;
}

bool FlowTurns::try_stream_lock() { return GST_PAD_STREAM_TRYLOCK(pad_); }

gboolean FlowTurns::flush_start(const Base& base) {
  const Turn turn(this);
  return turn.taken() ? base() : FALSE;
}

gboolean FlowTurns::flush_stop(const Base& base) {
  const Turn turn(this);
  if (!turn.taken()) return FALSE;
  if (is_flushing()) {
    GST_PAD_STREAM_LOCK(pad_);
    const StreamUnlock unlock(pad_);
    return base();
  }
  if (!try_stream_lock()) {
    GST_DEBUG_OBJECT(pad_, "FLUSH_STOP outside a flush: left out");
    return TRUE;
  }
  const StreamUnlock unlock(pad_);
  // Half a flush would take the segment from under what a queue downstream still pushes.
  gst_pad_push_event(pad_, gst_event_new_flush_start());
  return base();
}

// Not gst_pad_pause_task(), which waits for the stream lock.
bool FlowTurns::pause_task() {
  GST_OBJECT_LOCK(pad_);
  GstTask* const task = GST_PAD_TASK(pad_);
  const bool running = task && GST_TASK_STATE(task) == GST_TASK_STARTED;
  if (running) gst_task_pause(task);
  GST_OBJECT_UNLOCK(pad_);
  return running;
}

void FlowTurns::restart_task() {
  GST_OBJECT_LOCK(pad_);
  if (GstTask* const task = GST_PAD_TASK(pad_)) gst_task_start(task);
  GST_OBJECT_UNLOCK(pad_);
}

bool FlowTurns::is_playing() const {
  GST_OBJECT_LOCK(pad_);
  GstObject* const element = GST_OBJECT_PARENT(pad_);
  const bool playing = element && GST_STATE(element) == GST_STATE_PLAYING;
  GST_OBJECT_UNLOCK(pad_);
  return playing;
}

gboolean FlowTurns::seek(bool flush, bool may_be_kept, const Base& base) {
  const auto begin = std::chrono::steady_clock::now();
  for (bool was_running = false;;) {
    {
      const Turn turn(this);
      if (!turn.taken()) return FALSE;
      if (!active_) return may_be_kept ? base() : FALSE;
      if (flush) return base();
      // Again at each look: another one's flush may have set the stream going.
      was_running = pause_task() || was_running;
      stream_->unlock();
      if (try_stream_lock()) {
        const StreamUnlock unlock(pad_);
        if (base()) return TRUE;  // it has called unlock_stop() and started the task
        stream_->unlock_stop();
        if (was_running) restart_task();
        return FALSE;
      }
      const std::chrono::milliseconds patience =
          is_playing() ? std::chrono::seconds(kPatienceSeconds) : kPausedPatience;
      if (std::chrono::steady_clock::now() - begin > patience) {
        GST_WARNING_OBJECT(pad_, "a seek without flush was refused: downstream holds the stream");
        // The task is paused, and its thread is not in pull(), which would have come back.
        stream_->unlock_stop();
        if (was_running) restart_task();
        return FALSE;
      }
    }
    std::this_thread::sleep_for(kSeekPause);
  }
}

gboolean FlowTurns::activate(bool active, const Base& base) {
  const Turn turn(this);
  active_ = false;
  const gboolean done = base();
  active_ = active && done;
  if (!active) end_open_flush();
  return done;
}

void FlowTurns::flush_leaves(GstEvent* event) {
  const bool starts = GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START;
  open_flush_ = starts ? gst_event_get_seqnum(event) : GST_SEQNUM_INVALID;
}

// Our own pad lets no event pass any more.
void FlowTurns::end_open_flush() {
  const guint32 seqnum = open_flush_.exchange(GST_SEQNUM_INVALID);
  if (seqnum == GST_SEQNUM_INVALID) return;
  GstPad* const peer = gst_pad_get_peer(pad_);
  if (!peer) return;
  GST_OBJECT_LOCK(peer);
  const bool flushing = GST_PAD_IS_ACTIVE(peer) && GST_PAD_IS_FLUSHING(peer);
  GST_OBJECT_UNLOCK(peer);
  if (flushing) {
    GstEvent* const stop = gst_event_new_flush_stop(TRUE);
    gst_event_set_seqnum(stop, seqnum);
    gst_pad_send_event(peer, stop);
  }
  gst_object_unref(peer);
}

}  // namespace indextts2
