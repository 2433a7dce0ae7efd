// Flushes, seeks and activations of the source side, one after another.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace indextts2 {

class SpeechStream;

// Note [Turns]
// In GstBaseSrc, who flushes or seeks makes the streaming thread stop and then waits for its stream
// lock. Whoever ends another flush meanwhile sets the streaming thread going again, and the first
// waits for as long as the stream runs, perhaps for ever, with the element's state lock held. Flush
// events of two threads also overtake each other on their way downstream. So each of them has its
// turn, and what needs the stream lock is done only when that lock is sure to come free.
//
// A turn is waited for kPatienceSeconds at most, then refused: threads that push downstream of a
// queue may seek, too, and the holder of the turn may be waiting for one of them.
// Thread-safety: safe; a thread that has the turn may take it again.
class FlowTurns {
 public:
  static constexpr int kPatienceSeconds = 10;
  using Base = std::function<gboolean()>;  // what the base class does

  FlowTurns(GstPad* src_pad, SpeechStream* stream) : pad_(src_pad), stream_(stream) {}
  FlowTurns(const FlowTurns&) = delete;

  // FALSE: refused, or what `base` answered.
  gboolean flush_start(const Base& base);
  // `base` is called under the stream lock: what it sets is not for a buffer of before the flush,
  // which the streaming thread may still have in hand. Outside a flush: a flush of its own when the
  // stream stands still, else left out, with the answer TRUE.
  gboolean flush_stop(const Base& base);
  // `flush`: of the seek. A seek without it waits until the streaming thread is back from
  // downstream, in PAUSED for half a second and in PLAYING for kPatienceSeconds, and is refused
  // then: who seeks holds the state lock, so PLAYING could never come to set that thread free.
  // While the pad is not active: refused, or with `may_be_kept` given to the base class, which
  // keeps it until then.
  gboolean seek(bool flush, bool may_be_kept, const Base& base);
  // (De)activation of the source pad: is done even when the turn does not come. Whoever deactivates
  // it makes GStreamer lose the FLUSH_STOP of a flush that runs meanwhile, and a peer that stays
  // active would refuse all that comes later: it is given that FLUSH_STOP.
  gboolean activate(bool active, const Base& base);
  // A FLUSH event is leaving by the source pad.
  void flush_leaves(GstEvent* event);

 private:
  class Turn;
  bool is_flushing() const;
  bool is_playing() const;
  bool try_stream_lock();
  bool pause_task();  // whether it was at work
  void restart_task();
  void end_open_flush();

  GstPad* const pad_;  // of the element that owns this
  SpeechStream* const stream_;
  std::mutex mutex_;  // guards the next three; not held during a turn
  std::condition_variable free_;
  std::thread::id owner_;
  int depth_ = 0;
  // The base class has begun and not ended: the pad's own mode says so too early and for too long,
  // and a seek meanwhile would set a stream going without its first event.
  std::atomic<bool> active_{false};
  // Of the FLUSH_START that went downstream without its FLUSH_STOP so far.
  std::atomic<guint32> open_flush_{GST_SEQNUM_INVALID};
};

}  // namespace indextts2
