// The texts of a stream in the order in which they are spoken, and the bound on those that wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "loudness.h"
#include "settings.h"

namespace indextts2 {

struct ScriptText {
  std::shared_ptr<const Utterance> utterance;
  uint64_t session_id = 0;             // in the current session; 0: not pushed
  size_t bytes = 0;                    // counted against the bound; 0 once it is spoken
  bool cancelled = false;              // flushed: its sound is dropped
  bool heard = false;                  // some of it became sound
  bool last_heard = false;             // its last segment became sound
  bool told = false;                   // its error was told
  std::shared_ptr<Loudness> loudness;  // of what was spoken so far
};

// Texts are numbered 0, 1, ... since clear(). Thread-safety: one thread.
class Script {
 public:
  void clear();
  size_t first() const { return first_; }
  size_t size() const { return first_ + texts_.size(); }
  ScriptText& at(size_t number) { return texts_[number - first_]; }
  const ScriptText& at(size_t number) const { return texts_[number - first_]; }
  void add(Utterance utterance);
  // Bytes accepted and not yet spoken.
  size_t waiting_bytes() const { return waiting_bytes_; }
  // The text no longer counts against the bound.
  void release(size_t number);
  void drop_before(size_t number);

  size_t next_push = 0;  // first text that the session does not have yet
  size_t next_end = 0;   // first text whose end was not seen yet: the one being spoken

 private:
  std::deque<ScriptText> texts_;
  size_t first_ = 0;
  size_t waiting_bytes_ = 0;
};

}  // namespace indextts2
