// Emotions that texts ask for in words: where they go, and where their errors come out.
#include <gtest/gtest.h>

#include "fake_backend.h"
#include "listener.h"
#include "session.h"

namespace indextts2 {
namespace {

using Events = std::vector<std::string>;

constexpr EmotionScores kSad = {0, 0, 0.7, 0, 0, 0, 0, 0}, kGiven = {1, 0, 0, 0, 0, 0, 0, 0};

SpeakOptions with_words(const std::string& words) {
  SpeakOptions options;
  options.emotion.text = words;
  return options;
}

SpeakOptions from_text() {
  SpeakOptions options;
  options.emotion.from_text = true;
  return options;
}

TEST(SessionEmotion, WordsBecomeTheVectorOfEachSegment) {
  FakeBackend fake;
  Events asked;
  fake.on_emotion = [&](const std::string& text, const StopToken&) {
    asked.push_back(text);
    return kSad;
  };
  const auto session = open_session(fake.backend(8), {});
  SpeakOptions both = with_words("sadly");
  both.emotion.vector = kGiven;
  both.emotion.from_text = true;
  both.emotion.alpha = 0.5;
  SpeakOptions vector;
  vector.emotion.vector = kGiven;
  session->push("a|b|", some_voice(), both);
  session->push("c|", some_voice(), vector);
  session->push("d|", some_voice(), {});
  session->push("e|f|", some_voice(), from_text());
  session->push(" \n", some_voice(), from_text());
  const Listener listener(session.get());
  ASSERT_TRUE(eventually([&] { return fake.num_asked() == 7; }));
  std::vector<std::optional<EmotionScores>> vectors;
  for (const auto& one : fake.take_asked()) {
    vectors.push_back(one.request.options->emotion.vector);
    EXPECT_EQ(one.request.options->emotion.alpha, one.request.text_id == 1 ? 0.5 : 1.0);
  }
  EXPECT_EQ(vectors, (std::vector<std::optional<EmotionScores>>{kSad, kSad, kGiven, std::nullopt,
                                                                kSad, kSad, std::nullopt}));
  EXPECT_EQ(asked, (Events{"sadly", "e|f|"}));
}

TEST(SessionEmotion, AnErrorComesAtItsTextAndTheNextGoesOn) {
  FakeBackend fake;
  fake.answers_at_once = true;
  fake.on_emotion = [](const std::string& text, const StopToken&) {
    if (text == "bad") throw Error(ErrorCode::kNotFound, "no folder");
    return kSad;
  };
  const auto session = open_session(fake.backend(4), {});
  session->push("a|", some_voice(), {});
  session->push("b|b|", some_voice(), with_words("bad"));
  session->push("c|", some_voice(), with_words("good"));
  session->finish();
  const Listener listener(session.get());
  EXPECT_EQ(listener.events(7), (Events{"wave 1.0", "end 1", "error 2.-1 no folder", "end 2",
                                        "wave 3.0", "end 3", "over"}));
}

TEST(SessionEmotion, CancelAndDroppingStopTheReading) {
  FakeBackend fake;
  fake.answers_at_once = true;
  std::atomic<int> reading{0}, stopped{0};
  fake.on_emotion = [&](const std::string&, const StopToken& stop) -> EmotionScores {
    ++reading;
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++stopped;
    throw Error(ErrorCode::kCancelled, "cancelled");
  };
  auto session = open_session(fake.backend(4), {});
  session->push("a|", some_voice(), with_words("slow"));
  session->push("b|", some_voice(), {});
  ASSERT_TRUE(eventually([&] { return reading == 1; }));
  EXPECT_TRUE(session->cancel(1));
  {
    const Listener listener(session.get());
    EXPECT_EQ(listener.events(3), (Events{"end 1", "wave 2.0", "end 2"}));
  }
  session->push("c|", some_voice(), with_words("slow"));
  ASSERT_TRUE(eventually([&] { return reading == 2; }));
  session = nullptr;
  EXPECT_TRUE(eventually([&] { return stopped == 2 && fake.session_is_gone(); }));
}

}  // namespace
}  // namespace indextts2
