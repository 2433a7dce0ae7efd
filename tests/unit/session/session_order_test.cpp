// A session by priority: what goes first, what goes on where, and what waits for its time.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/clock.h"
#include "fake_backend.h"
#include "listener.h"
#include "session.h"

namespace indextts2 {
namespace {

using Events = std::vector<std::string>;

std::unique_ptr<Session> open(FakeBackend& fake, int window) {
  SessionOptions options;
  options.by_priority = true;
  return open_session(fake.backend(window), options);
}

SpeakOptions with(int priority, double not_before = 0) {
  SpeakOptions options;
  options.seed = 1;
  options.priority = priority;
  options.not_before = not_before;
  return options;
}

void answer_all(FakeBackend& fake) {
  for (const auto& one : fake.take_asked()) {
    one.done(FakeBackend::wave_for(one.request), nullptr);
  }
}

TEST(SessionOrder, HigherInterruptsAtASegmentAndTheOtherGoesOnThere) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 2);
  session->push("a|b|c|", some_voice(), with(0));
  EXPECT_EQ(Listener::event(*session), "wave 1.0");
  session->push("x|y|", some_voice(), with(5));
  session->push("z|", some_voice(), with(7));
  session->finish();
  Events events;
  while (events.empty() || events.back() != "over") events.push_back(Listener::event(*session));
  EXPECT_EQ(events, (Events{"wave 3.0", "end 3", "wave 2.0", "wave 2.1", "end 2", "wave 1.1",
                            "wave 1.2", "end 1", "over"}));
}

// The window is full of sound of the lower text that nobody has fetched: the higher one comes in.
TEST(SessionOrder, AFullWindowHoldsNothingUp) {
  FakeBackend fake;
  const auto session = open(fake, 3);
  session->push("a|b|c|d|e|", some_voice(), with(0));
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 3; }));
  session->push("x|y|", some_voice(), with(1));
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 5; }));
  auto asked = fake.take_asked();
  EXPECT_EQ(asked[3].request.text_id, 2u);
  EXPECT_TRUE(asked[3].request.first);
  for (size_t i : {0u, 1u, 2u}) {  // ready, and not heard yet
    asked[i].done(FakeBackend::wave_for(asked[i].request), nullptr);
  }
  for (size_t i : {3u, 4u}) asked[i].done(FakeBackend::wave_for(asked[i].request), nullptr);
  session->finish();
  ASSERT_TRUE(eventually([&] {
    answer_all(fake);
    return listener.events(0).size() >= 10;
  }));
  EXPECT_EQ(listener.events(10), (Events{"wave 2.0", "wave 2.1", "end 2", "wave 1.0", "wave 1.1",
                                         "wave 1.2", "wave 1.3", "wave 1.4", "end 1", "over"}));
}

TEST(SessionOrder, NothingIsHeardBeforeItsTime) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  const double due = now_seconds() + 0.2;
  session->push("late|", some_voice(), with(9, due));
  session->push("now|", some_voice(), with(0));
  EXPECT_EQ(Listener::event(*session), "wave 2.0");
  EXPECT_EQ(Listener::event(*session), "end 2");
  Wave wave;
  EXPECT_EQ(session->next(&wave, /*wait_when_idle=*/false), Next::kIdle);
  EXPECT_EQ(session->next(&wave, /*wait_when_idle=*/true), Next::kWave);
  EXPECT_EQ(wave.text_id, 1u);
  EXPECT_GE(now_seconds(), due);
}

// Its time comes while lower texts have filled the window of the reader and of the replicas.
TEST(SessionOrder, ATimeThatComesIsKeptAmongOthers) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 2);
  session->push("l|", some_voice(), with(1, now_seconds() + 0.1));
  session->push("a|b|c|d|e|f|", some_voice(), with(0));
  EXPECT_EQ(Listener::event(*session), "wave 2.0");
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(Listener::event(*session), "wave 1.0");
  EXPECT_EQ(Listener::event(*session), "end 1");
  EXPECT_EQ(Listener::event(*session), "wave 2.1");
}

TEST(SessionOrder, ACancelledOneEndsAtOnceAlsoBeforeItsTime) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 2);
  const uint64_t id = session->push("l|", some_voice(), with(0, now_seconds() + 1000));
  EXPECT_TRUE(session->cancel(id));
  session->finish();
  EXPECT_EQ(Listener::event(*session), "end 1");
  EXPECT_EQ(Listener::event(*session), "over");
}

// Sound that was delivered but not played: the same text again from that sentence on.
TEST(SessionOrder, ResumesAtASentenceWithItsIndexAndSeed) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 2);
  const uint64_t id = session->push("a|b|c|", some_voice(), with(0));
  Wave wave;
  for (int i = 0; i < 2; ++i) ASSERT_EQ(session->next(&wave, true), Next::kWave);
  ASSERT_EQ(wave.segment, 1);
  const std::vector<float> heard = wave.samples;
  EXPECT_TRUE(session->cancel(id));
  SpeakOptions again = with(0);
  again.first_segment = 1;
  session->push("a|b|c|", some_voice(), again);
  EXPECT_EQ(Listener::event(*session), "end 1");
  ASSERT_EQ(session->next(&wave, true), Next::kWave);
  EXPECT_EQ(wave.segment, 1);
  EXPECT_EQ(wave.seed, 1u);
}

// Without the option nothing changes: the order of pushing.
TEST(SessionOrder, IsThatOfPushingWithoutTheOption) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open_session(fake.backend(2), {});
  session->push("a|b|", some_voice(), with(0, now_seconds() + 1000));
  session->push("x|", some_voice(), with(9));
  session->finish();
  Events events;
  while (events.empty() || events.back() != "over") events.push_back(Listener::event(*session));
  EXPECT_EQ(events, (Events{"wave 1.0", "wave 1.1", "end 1", "wave 2.0", "end 2", "over"}));
}

}  // namespace
}  // namespace indextts2
