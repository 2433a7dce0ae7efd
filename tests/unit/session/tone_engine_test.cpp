// The tone engine through its public header: what the element's tests rely on.
#include "tone_engine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {
namespace {

std::shared_ptr<Engine> open_tone(const std::string& model_dir,
                                  std::vector<std::string> devices = {"auto"}) {
  EngineOptions options;
  options.model_dir = model_dir;
  options.devices = std::move(devices);
  return indextts2_engine_factory(kEngineAbi)->open_engine(options);
}

std::vector<Wave> speak_all(Session& session) {
  session.finish();
  std::vector<Wave> waves;
  Wave wave;
  for (Next next = session.next(&wave, true); next != Next::kEnd;
       next = session.next(&wave, true)) {
    if (next == Next::kWave) waves.push_back(wave);
  }
  return waves;
}

std::string taken_record() {
  char* const text = indextts2_tone_record(/*clear=*/1);
  const std::string record = text;
  std::free(text);
  return record;
}

template <typename F>
ErrorCode code_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code;
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(ToneEngine, AnotherAbiIsRefused) {
  EXPECT_EQ(indextts2_engine_factory(kEngineAbi + 1), nullptr);
  EXPECT_NE(indextts2_engine_factory(kEngineAbi), nullptr);
}

TEST(ToneEngine, SpeaksOneToneASentence) {
  const auto engine = open_tone("tone:samples_per_byte=100");
  const auto session = engine->open_session({});
  const std::string text = "  Hello there. How are you?\n\nFine!\n";
  const uint64_t id = session->push(text, engine->load_voice({}), {});
  const auto waves = speak_all(*session);
  ASSERT_EQ(waves.size(), 3u);
  EXPECT_EQ(waves[0].samples.size(), 1200u);
  EXPECT_EQ(waves[1].samples.size(), 1200u);
  EXPECT_EQ(waves[2].samples.size(), 500u);
  size_t covered = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(waves[i].text_id, id);
    EXPECT_EQ(waves[i].segment, i);
    EXPECT_EQ(waves[i].last, i == 2);
    EXPECT_EQ(waves[i].text_begin, covered);
    covered = waves[i].text_end;
  }
  EXPECT_EQ(covered, text.size());
}

TEST(ToneEngine, SameSamplesOnAnyNumberOfReplicas) {
  SpeakOptions options;
  options.seed = 7;
  std::vector<std::vector<Wave>> runs;
  for (const char* device : {"cpu", "cpu:3", "cpu:8"}) {
    const auto engine = open_tone("tone:jitter_ms=2,samples_per_byte=10", {device});
    const auto session = engine->open_session({});
    session->push("One. Two. Three. Four. Five. Six. Seven.", engine->load_voice({}), options);
    runs.push_back(speak_all(*session));
  }
  ASSERT_EQ(runs[0].size(), 7u);
  for (const auto& run : runs) {
    ASSERT_EQ(run.size(), runs[0].size());
    for (size_t i = 0; i < run.size(); ++i) EXPECT_EQ(run[i].samples, runs[0][i].samples);
  }
  options.seed = 8;
  const auto engine = open_tone("tone:samples_per_byte=10");
  const auto session = engine->open_session({});
  session->push("One. Two.", engine->load_voice({}), options);
  EXPECT_NE(speak_all(*session)[0].samples, runs[0][0].samples);
}

TEST(ToneEngine, InvalidUtf8FailsAtItsSegment) {
  const auto engine = open_tone("tone:");
  const auto session = engine->open_session({});
  session->push("Good. Bad\xff. Never.", engine->load_voice({}), {});
  session->push("Next.", engine->load_voice({}), {});
  session->finish();
  Wave wave;
  EXPECT_EQ(session->next(&wave, true), Next::kWave);
  try {
    session->next(&wave, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kTextDecode);
    EXPECT_EQ(error.text_id, 1u);
    EXPECT_EQ(error.segment, 1);
  }
  EXPECT_EQ(session->next(&wave, true), Next::kTextEnd);
  EXPECT_EQ(wave.text_id, 1u);
  EXPECT_EQ(session->next(&wave, true), Next::kWave);
  EXPECT_EQ(wave.text_id, 2u);
  EXPECT_EQ(session->next(&wave, true), Next::kTextEnd);
  EXPECT_EQ(session->next(&wave, true), Next::kEnd);
}

TEST(ToneEngine, RecordsWhatIsSpoken) {
  taken_record();
  const auto engine = open_tone("tone:any_voice=1");
  const auto session = engine->open_session({});
  SpeakOptions options;
  options.seed = 12;
  options.generation.top_k = 5;
  VoiceOptions voice;
  voice.speaker.path = "nobody.wav";
  session->push("Hi!", voice, options);
  ASSERT_EQ(speak_all(*session).size(), 1u);
  const std::string record = taken_record();
  for (const char* part :
       {R"("seed":12)", R"("voice":"nobody.wav")", R"("text":"Hi!")", R"("top_k":5)"}) {
    EXPECT_NE(record.find(part), std::string::npos) << part << " in " << record;
  }
  EXPECT_EQ(taken_record(), "");
}

TEST(ToneEngine, OptionsFailWhereTheySay) {
  EXPECT_EQ(code_of([] { open_tone("tone:colour=red"); }), ErrorCode::kSettings);
  EXPECT_EQ(code_of([] { open_tone("/no/such/folder"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([] { open_tone("tone:throw=kNoMemory,throw_at=open_engine"); }),
            ErrorCode::kNoMemory);
  EXPECT_THROW(open_tone("tone:throw=bad_alloc,throw_at=construct", {"cpu:4"}), std::bad_alloc);
  EXPECT_THROW(open_tone("tone:throw=int,throw_at=open_session")->open_session({}), int);
  for (const char* device : {"cuda:0", "cpu:0", "cpu:x", "tone:8", "cpux", ""}) {
    EXPECT_EQ(code_of([&] { open_tone("tone:", {device}); }), ErrorCode::kUnknownDevice) << device;
  }
  VoiceOptions voice;
  voice.speaker.path = "/no/such.wav";
  const auto engine = open_tone("tone:");
  EXPECT_EQ(code_of([&] { engine->load_voice(voice); }), ErrorCode::kVoiceNotFound);
}

TEST(ToneEngine, OpeningStopsOnWish) {
  EngineOptions options;
  options.model_dir = "tone:load_ms=60000";
  int progress = 0;
  options.progress = [&](const Progress&) { ++progress; };
  options.stop = [&] { return progress > 2; };
  EXPECT_EQ(code_of([&] { indextts2_engine_factory(kEngineAbi)->open_engine(options); }),
            ErrorCode::kCancelled);
}

}  // namespace
}  // namespace indextts2
