// What next(), the text worker and the jobs of a session share.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/stop_token.h"
#include "indextts2/engine.h"
#include "pool/ordered_slots.h"
#include "text/segment.h"

namespace indextts2 {

// Note [Session threads]
// next() runs on the caller's thread: it hands segments to the backend until `window` of them are
// in flight or wait for delivery, over the borders of texts, then waits for the head slot. The text
// worker is the session's only thread: it loads voices and cuts texts, at most `window` segments
// ahead of what was handed over. Both and the jobs share one SessionState; dropping the session
// sets its stops and leaves the state to whoever still holds it: it waits for nobody.
//
// Note [Order of texts]
// Texts are read, handed over and delivered in one order: those whose time has come first, then by
// priority, then as pushed. A text that moves ahead finds the window as if those behind it were not
// there: it neither waits for their sound nor throws it away.

// What the text worker found: a segment, or the error that ended its text.
using Found = std::variant<Segment, std::exception_ptr>;

inline constexpr double kLongestWait = 3600;  // seconds

struct Text {
  // Constant once pushed.
  uint64_t id = 0;
  uint64_t seed = 0;
  std::optional<VoiceOptions> voice_options;
  int priority = 0;       // these two are 0 where the session keeps the order of pushing
  double not_before = 0;  // of now_seconds()
  StopSource stop;
  // The text worker's, once pushed; next() reads `options` and `voice` after a segment was found.
  std::string bytes;
  std::shared_ptr<const SpeakOptions> options;  // with the vector of the emotion, once read
  std::shared_ptr<const Voice> voice;
  std::unique_ptr<SegmentReader> reader;
  int num_read = 0;  // segments so far
  // Guarded by SessionState::mutex.
  std::deque<Found> found;  // not yet handed over
  bool all_found = false;
  bool sounded = false;  // a segment was handed over
  bool over = false;     // cancelled or failed: only its end is still to come
  OrderedSlots<Wave> slots;

  bool spoken() const { return over || (all_found && found.empty() && slots.empty()); }
  bool read() const { return over || all_found; }
  bool due(double now) const { return over || not_before <= now; }
};

// Thread-safety: all under `mutex`.
struct SessionState {
  std::mutex mutex;                         // guards all below; never held while anything is called
  std::condition_variable delivery;         // next() waits
  std::condition_variable reading;          // the text worker waits
  std::deque<std::shared_ptr<Text>> texts;  // pushed, end not delivered; ascending ids
  std::deque<std::shared_ptr<Text>> unread;  // pushed, not all found
  uint64_t last_id = 0;
  int window = 1;     // at most so many segments in flight
  int in_flight = 0;  // slots of all texts
  int num_found = 0;  // found segments of all texts
  bool finished = false, interrupted = false, closed = false;
  bool by_priority = false;
  Schedule schedule = Schedule::kRoundRobin;

  // The texts in their order at `now`; see Note [Order of texts].
  std::vector<std::shared_ptr<Text>> ordered(double now) const;
  // The one that is delivered at `now`; null: there is none, or the time of none has come.
  std::shared_ptr<Text> head(double now) const;
  // Seconds until the time of the next text comes; < 0: none is waited for.
  double until_due(double now) const;
  // Waits with `lock` until `ready`, or until the order changes because the time of a text comes.
  template <typename Ready>
  void wait_until_due(std::condition_variable* changed, std::unique_lock<std::mutex>* lock,
                      double now, const Ready& ready) const {
    const double left = by_priority ? until_due(now) : -1;
    if (left < 0) return changed->wait(*lock, ready);
    changed->wait_for(*lock, std::chrono::duration<double>(std::min(left, kLongestWait)), ready);
  }

  // Of `text`, nothing but its end is delivered from here on.
  void abandon(Text& text) {
    text.over = true;
    text.stop.request_stop();
    in_flight -= static_cast<int>(text.slots.size());
    num_found -= static_cast<int>(text.found.size());
    text.slots.clear();
    text.found.clear();
    delivery.notify_all();
    reading.notify_all();
  }
};

// What was thrown, as an Error that names its place unless it does so itself. A copy: one exception
// may fail many jobs.
Error located_error(const std::exception_ptr& thrown, uint64_t text_id, int segment);

}  // namespace indextts2
