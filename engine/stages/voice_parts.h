// A voice that comes in two parts: what decoding needs, then what rendering needs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>

#include "core/stop_token.h"
#include "stages/voice_features.h"

namespace indextts2 {

// Thread-safety: safe.
class VoiceParts {
 public:
  // Nothing is to come.
  explicit VoiceParts(VoiceFeatures whole);
  // `early`: all but its VoicePrompt, which will have so many frames; complete() or fail() follows.
  VoiceParts(VoiceFeatures early, int64_t prompt_frames);

  // All but the VoicePrompt, which may be read of whole() only.
  const VoiceFeatures& early() const { return voice_; }
  int64_t prompt_frames() const { return prompt_frames_; }

  bool settled() const;  // completed or failed
  bool failed() const;
  // Waits for the rest. Throws what it failed with, or Error{kCancelled} within 10 ms of `stop`.
  const VoiceFeatures& whole(const StopToken& stop) const;

  // Once, by who makes the rest.
  void complete(VoicePrompt prompt);
  void fail(std::exception_ptr error);

 private:
  VoiceFeatures voice_;  // its VoicePrompt: guarded by mutex_ until whole_
  const int64_t prompt_frames_;
  mutable std::mutex mutex_;  // guards all below
  mutable std::condition_variable changed_;
  bool whole_;
  std::exception_ptr error_;
};

}  // namespace indextts2
