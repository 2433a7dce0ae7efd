// Voices that are loaded in the background, and sessions that go while their worker is busy.
#include <gtest/gtest.h>

#include "fake_backend.h"
#include "listener.h"
#include "session.h"

namespace indextts2 {
namespace {

using Events = std::vector<std::string>;

VoiceOptions voice_of(const std::string& path) {
  VoiceOptions options;
  options.speaker.path = path;
  return options;
}

TEST(SessionVoice, LoadingDoesNotBlockEarlierTexts) {
  FakeBackend fake;
  fake.answers_at_once = true;
  std::atomic<bool> go{false};
  fake.on_voice = [&](const VoiceOptions&, const StopToken&) {
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  const auto session = open_session(fake.backend(4), {});
  session->push("a|b|", some_voice(), {});
  session->push("c|", voice_of("v.wav"), {});
  const Listener listener(session.get());
  EXPECT_EQ(listener.events(3), (Events{"wave 1.0", "wave 1.1", "end 1"}));
  go = true;
  EXPECT_EQ(listener.events(5).back(), "end 2");
}

TEST(SessionVoice, EachTextSpeaksWithItsOwn) {
  FakeBackend fake;
  const auto session = open_session(fake.backend(8), {});
  session->push("a|a|", voice_of("one.wav"), {});
  session->push("b|", voice_of("two.wav"), {});
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 3; }));
  Events names;
  for (const auto& one : fake.take_asked()) {
    names.push_back(dynamic_cast<const FakeVoice&>(*one.request.voice).name);
  }
  EXPECT_EQ(names, (Events{"one.wav", "one.wav", "two.wav"}));
}

TEST(SessionVoice, AnErrorBelongsToTheWholeText) {
  FakeBackend fake;
  fake.answers_at_once = true;
  fake.on_voice = [](const VoiceOptions& options, const StopToken&) {
    if (options.speaker.path == "bad.wav") throw Error(ErrorCode::kVoiceInvalid, "silent");
  };
  const auto session = open_session(fake.backend(4), {});
  session->push("a|", some_voice(), {});
  session->push("b|b|", voice_of("bad.wav"), {});
  session->push("c|", voice_of("good.wav"), {});
  session->push("d|", std::shared_ptr<const Voice>(), {});
  session->finish();
  const Listener listener(session.get());
  const Events events = listener.events(9);
  EXPECT_EQ(Events(events.begin(), events.begin() + 6),
            (Events{"wave 1.0", "end 1", "error 2.-1 silent", "end 2", "wave 3.0", "end 3"}));
  EXPECT_EQ(events[6].substr(0, 10), "error 4.-1");
  EXPECT_EQ(events[7], "end 4");
}

TEST(SessionVoice, TheUsersStopGivesTheTextUpQuietly) {
  FakeBackend fake;
  fake.answers_at_once = true;
  fake.on_voice = [](const VoiceOptions& options, const StopToken&) {
    if (options.stop && options.stop()) throw Error(ErrorCode::kCancelled, "cancelled");
  };
  const auto session = open_session(fake.backend(4), {});
  VoiceOptions stopped = voice_of("v.wav");
  stopped.stop = [] { return true; };
  session->push("a|", stopped, {});
  session->push("b|", voice_of("v.wav"), {});
  const Listener listener(session.get());
  EXPECT_EQ(listener.events(3), (Events{"end 1", "wave 2.0", "end 2"}));
}

TEST(SessionVoice, CancelStopsLoading) {
  FakeBackend fake;
  fake.answers_at_once = true;
  std::atomic<bool> loading{false};
  fake.on_voice = [&](const VoiceOptions& options, const StopToken& stop) {
    loading = true;
    while (options.speaker.path == "slow.wav") {
      stop.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  const auto session = open_session(fake.backend(4), {});
  session->push("a|", voice_of("slow.wav"), {});
  session->push("b|", voice_of("v.wav"), {});
  ASSERT_TRUE(eventually([&] { return loading.load(); }));
  EXPECT_TRUE(session->cancel(1));
  const Listener listener(session.get());
  EXPECT_EQ(listener.events(3), (Events{"end 1", "wave 2.0", "end 2"}));
}

TEST(SessionVoice, DroppingTheSessionDoesNotWaitForALoadingVoice) {
  FakeBackend fake;
  std::atomic<bool> go{false}, loading{false}, stopped{false};
  fake.on_voice = [&](const VoiceOptions&, const StopToken& stop) {
    loading = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stopped = stop.stop_requested();
  };
  auto session = open_session(fake.backend(4), {});
  session->push("a|", voice_of("v.wav"), {});
  ASSERT_TRUE(eventually([&] { return loading.load(); }));
  session = nullptr;  // would hang here: `go` is set by this thread
  EXPECT_FALSE(fake.session_is_gone());
  go = true;
  EXPECT_TRUE(eventually([&] { return fake.session_is_gone(); }));
  EXPECT_TRUE(stopped);
}

TEST(SessionVoice, DroppingTheSessionDoesNotWaitForALongReading) {
  FakeBackend fake;
  std::atomic<bool> go{false}, reading{false};
  fake.on_read = [&](const std::string&, int, const StopToken&) {
    reading = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  auto session = open_session(fake.backend(4), {});
  session->push("a|", some_voice(), {});
  ASSERT_TRUE(eventually([&] { return reading.load(); }));
  session = nullptr;
  EXPECT_FALSE(fake.session_is_gone());
  go = true;
  EXPECT_TRUE(eventually([&] { return fake.session_is_gone(); }));
}

TEST(SessionVoice, NoCallbackOfTheUserOutlivesTheSession) {
  FakeBackend fake;
  std::atomic<bool> go{false}, loading{false};
  std::atomic<int> calls{0};
  fake.on_voice = [&](const VoiceOptions& options, const StopToken&) {
    options.progress({});
    EXPECT_FALSE(options.stop());
    loading = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    options.progress({});
    EXPECT_TRUE(options.stop());
  };
  auto session = open_session(fake.backend(4), {});
  VoiceOptions voice = voice_of("v.wav");
  voice.progress = [&](const Progress&) { ++calls; };
  voice.stop = [&] {
    ++calls;
    return false;
  };
  session->push("a|", voice, {});
  ASSERT_TRUE(eventually([&] { return loading.load(); }));
  session = nullptr;
  EXPECT_EQ(calls, 2);
  go = true;
  EXPECT_TRUE(eventually([&] { return fake.session_is_gone(); }));
  EXPECT_EQ(calls, 2);
}

TEST(SessionVoice, DroppingTheSessionStopsItsJobsAndIgnoresTheirResults) {
  FakeBackend fake;
  auto session = open_session(fake.backend(4), {});
  session->push(text_of(100), some_voice(), {});
  {
    const Listener listener(session.get());
    ASSERT_TRUE(eventually([&] { return fake.num_asked() == 4; }));
  }
  session = nullptr;
  EXPECT_TRUE(eventually([&] { return fake.session_is_gone(); }));
  for (const auto& one : fake.take_asked()) {
    EXPECT_TRUE(one.request.stop.stop_requested());
    one.done(FakeBackend::wave_for(one.request), nullptr);
  }
}

TEST(SessionVoice, AnIdleSessionHoldsNoVoice) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open_session(fake.backend(4), {});
  auto voice = std::make_shared<FakeVoice>("v");
  const std::weak_ptr<FakeVoice> alive = voice;
  session->push("a|b|", std::move(voice), {});
  Wave wave;
  while (session->next(&wave, false) != Next::kIdle) {
  }
  EXPECT_TRUE(eventually([&] { return alive.expired(); }));
}

}  // namespace
}  // namespace indextts2
