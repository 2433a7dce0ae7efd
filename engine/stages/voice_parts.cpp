// The two parts of a voice.
#include "stages/voice_parts.h"

#include <chrono>
#include <utility>

namespace indextts2 {
namespace {

constexpr std::chrono::milliseconds kStopTest{5};

}  // namespace

VoiceParts::VoiceParts(VoiceFeatures whole)
    : voice_(std::move(whole)), prompt_frames_(voice_.ref_mel.size(2)), whole_(true) {}

VoiceParts::VoiceParts(VoiceFeatures early, int64_t prompt_frames)
    : voice_(std::move(early)), prompt_frames_(prompt_frames), whole_(false) {}

bool VoiceParts::settled() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return whole_ || error_;
}

bool VoiceParts::failed() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return error_ != nullptr;
}

const VoiceFeatures& VoiceParts::whole(const StopToken& stop) const {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!whole_ && !error_) {
    lock.unlock();  // nothing is called back under a lock
    stop.check();
    lock.lock();
    changed_.wait_for(lock, kStopTest, [this] { return whole_ || error_; });
  }
  if (error_) std::rethrow_exception(error_);
  return voice_;
}

void VoiceParts::complete(VoicePrompt prompt) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    static_cast<VoicePrompt&>(voice_) = std::move(prompt);
    whole_ = true;
  }
  changed_.notify_all();
}

void VoiceParts::fail(std::exception_ptr error) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    error_ = std::move(error);
  }
  changed_.notify_all();
}

}  // namespace indextts2
