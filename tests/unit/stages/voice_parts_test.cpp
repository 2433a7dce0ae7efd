// The two parts of a voice: who waits, and for what.
#include "stages/voice_parts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>

#include "core/error.h"
#include "short_request.h"

namespace indextts2 {
namespace {

VoiceFeatures early_part() {
  VoiceFeatures voice;
  voice.speaker_latents = filled({1, 32, 8});
  voice.prompt_seconds = 2;
  return voice;
}

VoicePrompt late_part() { return {filled({1, 80, 32}), filled({1, 192}), filled({1, 32, 4})}; }

TEST(VoiceParts, AWholeVoiceIsThereAtOnce) {
  VoiceFeatures whole = early_part();
  static_cast<VoicePrompt&>(whole) = late_part();
  const VoiceParts voice(whole);
  EXPECT_TRUE(voice.settled());
  EXPECT_FALSE(voice.failed());
  EXPECT_EQ(voice.prompt_frames(), 32);
  StopSource stopped;
  stopped.request_stop();
  EXPECT_TRUE(voice.whole(stopped.token()).style.equal(whole.style));  // nothing is waited for
}

TEST(VoiceParts, TheRestIsWaitedFor) {
  VoiceParts voice(early_part(), 32);
  EXPECT_FALSE(voice.settled());
  EXPECT_EQ(voice.prompt_frames(), 32);
  EXPECT_EQ(voice.early().prompt_seconds, 2);
  std::atomic<bool> completed{false};
  std::thread waiting([&] {
    const VoiceFeatures& whole = voice.whole(StopToken());
    EXPECT_TRUE(completed);
    EXPECT_EQ(whole.ref_mel.size(2), 32);
    EXPECT_TRUE(whole.speaker_latents.defined());
  });
  completed = true;
  voice.complete(late_part());
  waiting.join();
  EXPECT_TRUE(voice.settled());
  EXPECT_FALSE(voice.failed());
}

TEST(VoiceParts, AFailureIsToldToEveryUser) {
  VoiceParts voice(early_part(), 32);
  voice.fail(std::make_exception_ptr(Error(ErrorCode::kSynthesis, "style is not finite")));
  EXPECT_TRUE(voice.settled());
  EXPECT_TRUE(voice.failed());
  for (int i = 0; i < 2; ++i) {
    try {
      voice.whole(StopToken());
      ADD_FAILURE() << "no failure";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kSynthesis);
      EXPECT_STREQ(error.what(), "style is not finite");
    }
  }
}

TEST(VoiceParts, AStopEndsTheWait) {
  const VoiceParts voice(early_part(), 32);
  StopSource source;
  std::thread stopping([&] { source.request_stop(); });
  try {
    voice.whole(source.token());
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
  stopping.join();
}

}  // namespace
}  // namespace indextts2
