// Order, ends, errors, cancel, interrupt and the window of a session, with answers given by hand.
#include "session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "core/clock.h"
#include "fake_backend.h"
#include "listener.h"

namespace indextts2 {
namespace {

using Events = std::vector<std::string>;

std::unique_ptr<Session> open(FakeBackend& fake, int window) {
  return open_session(fake.backend(window), {});
}

Events all_events(Session& session) {
  session.finish();
  Events events;
  while (events.empty() || events.back() != "over") events.push_back(Listener::event(session));
  return events;
}

TEST(Session, DeliversInTextOrderWhateverTheOrderOfAnswers) {
  FakeBackend fake;
  const auto session = open(fake, 8);
  EXPECT_EQ(session->push("a|b|c|", some_voice(), {}), 1u);
  EXPECT_EQ(session->push("d|", some_voice(), {}), 2u);
  session->finish();
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 4; }));
  auto asked = fake.take_asked();
  std::reverse(asked.begin(), asked.end());
  for (const auto& one : asked) one.done(FakeBackend::wave_for(one.request), nullptr);
  EXPECT_EQ(listener.events(7),
            (Events{"wave 1.0", "wave 1.1", "wave 1.2", "end 1", "wave 2.0", "end 2", "over"}));
}

TEST(Session, FillsInWhatTheBackendDoesNotKnow) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  SpeakOptions options;
  options.seed = 77;
  session->push("ab|cde|", some_voice(), options);
  Wave wave;
  ASSERT_EQ(session->next(&wave, true), Next::kWave);
  EXPECT_FALSE(wave.last);
  ASSERT_EQ(session->next(&wave, true), Next::kWave);
  EXPECT_EQ(wave.text_id, 1u);
  EXPECT_EQ(wave.segment, 1);
  EXPECT_TRUE(wave.last);
  EXPECT_EQ(wave.text_begin, 3u);
  EXPECT_EQ(wave.text_end, 7u);
  EXPECT_EQ(wave.seed, 77u);
  EXPECT_EQ(wave.device, "fake");
  EXPECT_EQ(wave.samples, std::vector<float>{1001});
  EXPECT_GE(wave.queue_seconds, 0);
}

TEST(Session, EveryTextEndsOnceAlsoAnEmptyOne) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  for (const char* text : {"", "a|", "", ""}) session->push(text, some_voice(), {});
  EXPECT_EQ(all_events(*session), (Events{"end 1", "wave 2.0", "end 2", "end 3", "end 4", "over"}));
}

TEST(Session, IsIdleWhenAllIsDelivered) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  Wave wave;
  EXPECT_EQ(session->next(&wave, false), Next::kIdle);
  session->push("a|", some_voice(), {});
  EXPECT_EQ(session->next(&wave, false), Next::kWave);
  EXPECT_EQ(session->next(&wave, false), Next::kTextEnd);
  EXPECT_EQ(session->next(&wave, false), Next::kIdle);
  session->finish();
  EXPECT_EQ(session->next(&wave, false), Next::kEnd);
  EXPECT_EQ(session->next(&wave, true), Next::kEnd);
}

TEST(Session, AWaitingNextGetsALaterText) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  const Listener listener(session.get());
  session->push("a|", some_voice(), {});
  EXPECT_EQ(listener.events(2), (Events{"wave 1.0", "end 1"}));
  session->finish();
  EXPECT_EQ(listener.events(3).back(), "over");
}

TEST(Session, PushAfterFinishThrows) {
  FakeBackend fake;
  const auto session = open(fake, 4);
  session->finish();
  EXPECT_THROW(session->push("a|", some_voice(), {}), Error);
}

TEST(Session, KeepsTheWindowFullOverTextsAndNeverExceedsIt) {
  FakeBackend fake;
  const auto session = open(fake, 5);
  for (int i = 0; i < 40; ++i) session->push("a|", some_voice(), {});
  const Listener listener(session.get());
  for (int delivered = 0; delivered < 35; ++delivered) {
    ASSERT_TRUE(eventually([&] { return fake.num_asked() == delivered + 5; })) << delivered;
    EXPECT_EQ(listener.count(), static_cast<size_t>(2 * delivered));
    static std::vector<FakeBackend::Asked> waiting;
    for (auto& one : fake.take_asked()) waiting.push_back(std::move(one));
    ASSERT_EQ(waiting.size(), 5u);
    waiting.front().done(FakeBackend::wave_for(waiting.front().request), nullptr);
    waiting.erase(waiting.begin());
    listener.events(static_cast<size_t>(2 * delivered + 2));
  }
}

TEST(Session, APausedConsumerComputesNoMoreThanTheWindow) {
  FakeBackend fake;
  fake.answers_at_once = true;
  std::atomic<int> read{0};
  fake.on_read = [&](const std::string&, int, const StopToken&) { ++read; };
  const auto session = open(fake, 6);
  session->push(text_of(1000), some_voice(), {});
  Wave wave;
  for (int delivered = 1; delivered <= 20; ++delivered) {
    ASSERT_EQ(session->next(&wave, true), Next::kWave);
    // Waiting for delivery: at most window; read ahead of them: at most window.
    EXPECT_LE(fake.num_asked() - delivered, 6);
    EXPECT_LE(read - delivered, 12);
  }
  const int asked = fake.num_asked();
  EXPECT_TRUE(eventually([&] { return read == asked + 6; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(fake.num_asked(), asked);
  EXPECT_EQ(read, asked + 6);
}

TEST(Session, AnErrorComesAtItsPlaceAndEndsItsText) {
  FakeBackend fake;
  const auto session = open(fake, 9);
  session->push("a|b|c|d|", some_voice(), {});
  session->push("e|", some_voice(), {});
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 5; }));
  const auto asked = fake.take_asked();
  asked[2].done({}, std::make_exception_ptr(std::runtime_error("c fails")));
  asked[1].done({}, std::make_exception_ptr(Error(ErrorCode::kSynthesis, "b fails")));
  EXPECT_FALSE(asked[3].request.stop.stop_requested());
  asked[0].done(FakeBackend::wave_for(asked[0].request), nullptr);
  asked[4].done(FakeBackend::wave_for(asked[4].request), nullptr);
  EXPECT_EQ(listener.events(5),
            (Events{"wave 1.0", "error 1.1 b fails", "end 1", "wave 2.0", "end 2"}));
  EXPECT_TRUE(asked[3].request.stop.stop_requested());
  asked[3].done(FakeBackend::wave_for(asked[3].request), nullptr);  // too late, nothing happens
  EXPECT_FALSE(session->cancel(1));
}

TEST(Session, OneExceptionMayFailManySegments) {
  FakeBackend fake;
  const auto session = open(fake, 4);
  session->push("a|", some_voice(), {});
  session->push("b|", some_voice(), {});
  session->finish();
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 2; }));
  const auto lost = std::make_exception_ptr(Error(ErrorCode::kDeviceLost, "lost"));
  for (const auto& one : fake.take_asked()) one.done({}, lost);
  EXPECT_EQ(listener.events(5),
            (Events{"error 1.0 lost", "end 1", "error 2.0 lost", "end 2", "over"}));
}

TEST(Session, ForeignExceptionsBecomeErrors) {
  FakeBackend fake;
  fake.on_submit = [](const SpeechRequest& request) {
    if (request.text_id == 1) throw std::bad_alloc();
    if (request.text_id == 2) throw 42;
  };
  fake.on_read = [](const std::string& text, int index, const StopToken&) {
    if (text == "r|r|" && index == 1) throw std::runtime_error("reader");
  };
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  for (const char* text : {"a|", "b|", "r|r|", "d|"}) session->push(text, some_voice(), {});
  const auto code = [&] {
    Wave wave;
    try {
      for (;;) session->next(&wave, false);
    } catch (const Error& error) {
      return error.code;
    }
  };
  EXPECT_EQ(code(), ErrorCode::kNoMemory);
  EXPECT_EQ(code(), ErrorCode::kInternal);
  Wave wave;
  EXPECT_EQ(Listener::event(*session), "end 2");
  EXPECT_EQ(Listener::event(*session), "wave 3.0");
  EXPECT_EQ(Listener::event(*session), "error 3.1 unexpected failure: reader");
  EXPECT_EQ(all_events(*session), (Events{"end 3", "wave 4.0", "end 4", "over"}));
}

TEST(Session, CancelReturnsAtOnceAndTheNextTextGoesOn) {
  FakeBackend fake;
  const auto session = open(fake, 6);
  session->push(text_of(1000), some_voice(), {});
  session->push("b|", some_voice(), {});
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 6; }));
  const auto old = fake.take_asked();
  EXPECT_TRUE(session->cancel(1));
  EXPECT_FALSE(session->cancel(1));
  for (const auto& one : old) EXPECT_TRUE(one.request.stop.stop_requested());
  // The window is free although no job of the cancelled text has ended.
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 7; }));
  fake.answer_all();
  EXPECT_EQ(listener.events(3), (Events{"end 1", "wave 2.0", "end 2"}));
  for (const auto& one : old) one.done(FakeBackend::wave_for(one.request), nullptr);
  EXPECT_FALSE(session->cancel(2));
  EXPECT_FALSE(session->cancel(3));
  EXPECT_FALSE(session->cancel(0));
}

TEST(Session, ACancelledTextInTheMiddleStillEndsAtItsPlace) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  session->push("a|a|", some_voice(), {});
  session->push(text_of(1000), some_voice(), {});
  session->push("c|", some_voice(), {});
  EXPECT_TRUE(session->cancel(2));
  EXPECT_EQ(all_events(*session),
            (Events{"wave 1.0", "wave 1.1", "end 1", "end 2", "wave 3.0", "end 3", "over"}));
}

TEST(Session, CancelStopsALongReading) {
  FakeBackend fake;
  fake.answers_at_once = true;
  fake.on_read = [](const std::string& text, int, const StopToken& stop) {
    while (text == "slow|") {
      stop.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  const auto session = open(fake, 4);
  session->push("slow|", some_voice(), {});
  session->push("b|", some_voice(), {});
  EXPECT_TRUE(session->cancel(1));
  EXPECT_EQ(all_events(*session), (Events{"end 1", "wave 2.0", "end 2", "over"}));
}

TEST(Session, InterruptWakesWithin10MsAndLosesNothing) {
  FakeBackend fake;
  const auto session = open(fake, 3);
  session->push("a|b|", some_voice(), {});
  std::vector<double> seconds;
  for (int i = 0; i < 15; ++i) {
    std::atomic<double> woken{0};
    std::thread consumer([&] {
      Wave wave;
      EXPECT_EQ(session->next(&wave, true), Next::kInterrupted);
      woken = now_seconds();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const double asked = now_seconds();
    session->interrupt();
    consumer.join();
    seconds.push_back(woken - asked);
    Wave wave;
    EXPECT_EQ(session->next(&wave, true), Next::kInterrupted);
    EXPECT_EQ(session->next(&wave, false), Next::kInterrupted);
    session->resume();
  }
  std::sort(seconds.begin(), seconds.end());
  EXPECT_LT(seconds[seconds.size() / 2], 0.010);
  fake.answer_all();
  EXPECT_EQ(all_events(*session), (Events{"wave 1.0", "wave 1.1", "end 1", "over"}));
}

TEST(Session, SeedsAreGivenOrDrawn) {
  FakeBackend fake;
  const auto session = open(fake, 8);
  SpeakOptions given;
  given.seed = 5;
  session->push("a|b|", some_voice(), given);
  session->push("c|d|", some_voice(), {});
  session->push("e|", some_voice(), {});
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 5; }));
  const auto asked = fake.take_asked();
  EXPECT_EQ(asked[0].request.seed, 5u);
  EXPECT_EQ(asked[1].request.seed, 5u);
  EXPECT_EQ(asked[2].request.seed, 0x1000000000000001u);  // 63 bits of what was drawn
  EXPECT_EQ(asked[3].request.seed, asked[2].request.seed);
  EXPECT_EQ(asked[4].request.seed, 0x2000000000000002u);
  EXPECT_TRUE(asked[0].request.first);
  EXPECT_FALSE(asked[1].request.first);
}

TEST(Session, FirstSegmentSkipsTheEarlierOnes) {
  FakeBackend fake;
  fake.answers_at_once = true;
  const auto session = open(fake, 4);
  SpeakOptions options;
  options.first_segment = 2;
  session->push("a|b|c|d|", some_voice(), options);
  session->push("a|b|", some_voice(), options);
  EXPECT_EQ(all_events(*session), (Events{"wave 1.2", "wave 1.3", "end 1", "end 2", "over"}));
}

TEST(Session, TheScheduleIsPassedOn) {
  FakeBackend fake;
  SessionOptions options;
  options.schedule = Schedule::kLeastWork;
  options.window = 1;
  const auto session = open_session(fake.backend(9), options);
  session->push("a|b|", some_voice(), {});
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 1; }));
  session->set_schedule(Schedule::kRoundRobin);
  auto asked = fake.take_asked();
  EXPECT_EQ(asked[0].request.schedule, Schedule::kLeastWork);
  asked[0].done({}, nullptr);
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 2; }));
  EXPECT_EQ(fake.take_asked()[0].request.schedule, Schedule::kRoundRobin);
}

}  // namespace
}  // namespace indextts2
