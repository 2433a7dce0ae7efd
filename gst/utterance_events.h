// What becomes of each utterance, for the element's messages: every one that was accepted ends in
// exactly one utterance-end or utterance-dropped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "segment_info.h"
#include "settings.h"

namespace indextts2 {

struct Notice;

struct UtteranceEvent {
  enum class Kind {
    kQueued,
    kStart,
    kSegmentStart,
    kSegmentEnd,
    kPaused,   // something more important sounds
    kResumed,  // goes on at the start of the segment in which it was paused
    kEnd,
    kDropped
  };
  Kind kind = Kind::kQueued;
  uint64_t id = 0;
  std::shared_ptr<const Utterance> utterance;  // may be null when it was sought back to
  SharedInfo info;            // of the segment; kStart, kResumed: of the one that starts it
  uint64_t sample = 0;        // of the stream, where it happens
  uint64_t lead_samples = 0;  // kStart: silence between the message and `sample`
  size_t heard = 0;           // kPaused, kEnd: bytes of the text
  std::string reason;         // kEnd: done, cancelled, interrupted, error; kDropped: late, flush,
                              // shutdown
};

// Thread-safety: one thread; the owner's mutex.
class Announcer {
 public:
  using Notices = std::vector<Notice>;

  void queued(uint64_t id, std::shared_ptr<const Utterance> utterance, Notices* out);
  // The first sound of the utterance is going to be `sample`.
  void start(const SharedInfo& info, uint64_t sample, uint64_t lead_samples, Notices* out);
  // Samples [offset, offset + count) of the segment sound at `sample`.
  void sound(const SharedInfo& info, uint64_t offset, uint64_t count, uint64_t sample,
             Notices* out);
  void pause(uint64_t id, uint64_t sample, Notices* out);
  // utterance-end. Nothing when it has ended already.
  void end(uint64_t id, const std::string& reason, uint64_t sample, Notices* out);
  // utterance-dropped, or utterance-end{interrupted} when some of it was heard.
  void drop(uint64_t id, const std::string& reason, uint64_t sample, Notices* out);
  void drop_all(const std::string& reason, uint64_t sample, Notices* out);
  bool is_open(uint64_t id) const { return open_.count(id) > 0; }
  uint64_t current() const { return segment_ ? segment_->id : 0; }

 private:
  struct Open {
    std::shared_ptr<const Utterance> utterance;
    bool announced = false, paused = false;
    size_t heard = 0;
  };
  UtteranceEvent event(UtteranceEvent::Kind kind, uint64_t id, uint64_t sample) const;
  void close_segment(uint64_t sample, Notices* out);

  std::map<uint64_t, Open> open_;
  SharedInfo segment_;  // that sounds
};

}  // namespace indextts2
