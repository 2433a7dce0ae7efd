// Speech with a voice that is still being made, on the whole engine.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "device_pool_rig.h"

namespace indextts2 {
namespace {

// What a session that loads the voice by itself delivers. Decoding begins before the voice is
// whole.
std::vector<std::vector<float>> speak_cold(Engine& engine, const SpeakOptions& options) {
  const auto session = engine.open_session({});
  session->push("One. Two is a little longer.", voice_options(), options);
  session->finish();
  std::vector<std::vector<float>> sounds;
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next == Next::kWave) sounds.push_back(std::move(wave.samples));
  }
  return sounds;
}

void voice_sounds_alike_new_and_known(const std::string& device) {
  SpeakOptions moved = short_speech();
  moved.emotion.vector = std::array<double, 8>{0, 0.5, 0, 0, 0, 0.2, 0, 0};
  SpeakOptions drawn = moved;
  drawn.emotion.random = true;
  for (const SpeakOptions& options : {short_speech(), moved, drawn}) {
    const auto engine = factory().open_engine(options_for({device}));
    const auto unknown = speak_cold(*engine, options);
    EXPECT_FALSE(unknown.empty());
    engine->load_voice(voice_options());
    EXPECT_EQ(speak_cold(*engine, options), unknown);
    const auto stages = engine->stats().stage_seconds;
    EXPECT_TRUE(stages.count("voice") && stages.count("voice, late"));
    const auto memory = engine->stats().memory_parts.at(device);
    for (const char* part : {"voice networks", "decoding"}) {
      EXPECT_TRUE(memory.count(part)) << part;
    }
  }
}

TEST(ColdVoice, AVoiceSoundsAlikeNewAndKnownOnTheCpu) { voice_sounds_alike_new_and_known("cpu"); }
TEST(ColdVoice, AVoiceSoundsAlikeNewAndKnownOnAGpu) {
  if (!has_cuda()) {
    std::printf("left out: no CUDA device here (a new voice)\n");
    return;
  }
  voice_sounds_alike_new_and_known("cuda:0");
}

// Whatever of a voice is still on its way when nobody wants it any more.
TEST(ColdVoice, AVoiceThatNobodyWantsAnyMoreHoldsNothingUp) {
  const auto engine = factory().open_engine(options_for({"cpu"}));
  for (int i = 0; i < 3; ++i) {
    const auto session = engine->open_session({});
    VoiceOptions cut = voice_options();
    cut.max_prompt_seconds = 2 + 0.1 * i;  // another voice each time
    session->push("One. Two is a little longer.", cut, short_speech());
    for (int polls = 0; polls < 200 && engine->stats().stage_seconds.count("voice") == 0; ++polls) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  EXPECT_FALSE(speak_cold(*engine, short_speech()).empty());
}

}  // namespace
}  // namespace indextts2
