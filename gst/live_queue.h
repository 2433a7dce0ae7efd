// The texts of a live stream, and which of them is spoken and heard next. No threads, no engine.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "settings.h"
#include "timeline.h"

namespace indextts2 {

// A segment that was spoken and not yet heard to its end.
struct LiveSegment {
  Samples samples;
  SharedInfo info;
};

struct LiveText {
  uint64_t id = 0;
  std::shared_ptr<const Utterance> utterance;
  uint64_t accepted_at = 0;  // sample of the stream
  uint64_t session_id = 0;   // in the session; 0: not pushed
  std::deque<LiveSegment> segments;
  int next_segment = 0;    // first one that the session still has to bring
  bool complete = false;   // it brings no more
  bool announced = false;  // its start was told
  bool sounded = false;    // some of it was heard
  bool failed = false;
  std::shared_ptr<Loudness> loudness;  // so far

  uint64_t samples() const;  // spoken and not heard
  bool over() const { return complete && segments.empty(); }
};
using SharedText = std::shared_ptr<LiveText>;

// Order: higher priority first, then older. Thread-safety: one thread; the owner's mutex.
class LiveQueue {
 public:
  void add(SharedText text);
  void remove(uint64_t id);
  void clear();
  SharedText find(uint64_t id) const;
  size_t size() const { return texts_.size(); }
  size_t bytes() const { return bytes_; }
  // In order.
  const std::map<std::pair<int, uint64_t>, SharedText>& all() const { return texts_; }

  // The first one but `other` with sound at hand that may start by sample `time`; null: none.
  SharedText first_ready(uint64_t time, const SharedText& other) const;
  // The first one of which less than `ahead` samples are spoken; those whose time has not come yet
  // by `time` last.
  SharedText first_unspoken(uint64_t time, uint64_t ahead) const;
  // One that waits for too long at `time`; null: none.
  SharedText first_late(uint64_t time, const std::optional<uint64_t>& max_late) const;

 private:
  std::map<std::pair<int, uint64_t>, SharedText> texts_;  // (-priority, id)
  std::map<uint64_t, int> priorities_;                    // by id
  size_t bytes_ = 0;
};

}  // namespace indextts2
