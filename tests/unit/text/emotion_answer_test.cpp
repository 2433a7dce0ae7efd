// Tests of the emotions in a language model's answer: the recorded answers of the reference, and
// what Python reads where JSON and C++ read otherwise.
#include "text/emotion_answer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "text/python_number.h"

namespace indextts2 {
namespace {

using nlohmann::json;

constexpr EmotionScores kCalm = {0, 0, 0, 0, 0, 0, 0, 1};

// The message of the error of kind kSynthesis that the answer gives; empty: none.
std::string error_of(const std::string& answer, const std::string& text) {
  try {
    read_emotion_answer(answer, text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSynthesis) << answer;
    EXPECT_FALSE(error.detail.empty()) << answer;
    return error.what();
  }
  return "";
}

// The value of which the reference's message speaks, as ours has it.
std::string value_in(const std::string& reference) {
  for (const char* value : {"'abc'", "'0.5.1'"}) {
    if (reference.find(value) == std::string::npos) continue;
    return std::string(value).substr(1, std::string(value).size() - 2);
  }
  return reference.find("None") != std::string::npos ? "null" : "a value this test does not know";
}

TEST(EmotionAnswer, EqualsTheRecordedAnswers) {
  std::ifstream stream(GOLDEN_DIR "/reference/emotion_text.jsonl");
  ASSERT_TRUE(stream);
  int vectors = 0, errors = 0;
  for (std::string line; std::getline(stream, line);) {
    const json entry = json::parse(line);
    const std::string answer = entry.at("answer"), text = entry.at("text");
    if (entry.contains("error")) {
      ++errors;
      const std::string value = value_in(entry.at("error"));
      const std::string got = error_of(answer, text);
      EXPECT_NE(got.find(value), std::string::npos) << line << "\n" << got;
      continue;
    }
    ++vectors;
    EXPECT_EQ(read_emotion_answer(answer, text), entry.at("vector").get<EmotionScores>()) << line;
  }
  EXPECT_EQ(vectors, 36);
  EXPECT_EQ(errors, 3);
}

TEST(EmotionAnswer, ReadsNumbersAsPythonDoes) {
  const auto happy = [](const std::string& value) {
    return read_emotion_answer("{\"高兴\": " + value + "}", "x")[0];
  };
  EXPECT_EQ(happy("NaN"), 1.2);
  EXPECT_EQ(happy("Infinity"), 1.2);
  EXPECT_EQ(happy("-Infinity"), 0.0);
  EXPECT_EQ(happy("\"nan\""), 1.2);
  EXPECT_EQ(happy("\" ０.５ \""), 0.5);
  EXPECT_EQ(happy("\"1_0e-1_0\""), 1e-9);
  EXPECT_EQ(happy("false"), 0.0);
  EXPECT_EQ(happy("1e300"), 1.2);
  EXPECT_EQ(read_emotion_answer("{\"x\": \"a \\\"NaN\", \"高兴\": 0.5}", "x")[0], 0.5);
  EXPECT_EQ(read_emotion_answer("高兴：1, 高兴 :\n٠.٢٥ ok", "x")[0], 0.25);
  EXPECT_NE(error_of("{\"高兴\": []}", "x"), "");
  EXPECT_NE(error_of("{\"高兴\": \"\"}", "x"), "");
}

TEST(EmotionAnswer, FindsPairsInOtherText) {
  EXPECT_EQ(read_emotion_answer("高兴\" : 0.5 愤怒:.25", "x")[0], 0.5);
  EXPECT_EQ(read_emotion_answer("高兴\" : 0.5 愤怒:.25", "x")[1], 0.25);
  EXPECT_EQ(read_emotion_answer("高兴: -0.5", "x"), kCalm);
  EXPECT_EQ(read_emotion_answer("a:高兴:0.5", "x")[0], 0.5);
  EXPECT_EQ(read_emotion_answer("高兴:0.2 高兴:0.7", "x")[0], 0.7);
  EXPECT_EQ(read_emotion_answer("高兴\"\":0.2", "x"), kCalm);
  EXPECT_NE(error_of("other: 1.2.3, 高兴: 1", "x"), "");
  EXPECT_EQ(read_emotion_answer("\xEF\xBB\xBF{\"高兴\": 0.4}", "x")[0], 0.4);
}

TEST(EmotionAnswer, SwapsOnlyForMelancholicTexts) {
  const std::string answer = "{\"悲伤\": 0.8}";
  EXPECT_EQ(read_emotion_answer(answer, "sad")[2], 0.8);
  EXPECT_EQ(read_emotion_answer(answer, "A DEPRESSED man")[5], 0.8);
  EXPECT_EQ(read_emotion_answer(answer, "melanchol\u0130c")[2], 0.8);
  EXPECT_EQ(read_emotion_answer("{\"悲伤\": \"happy\"}", "gloomy")[0], 1.0);
  EXPECT_NE(error_of("[1]", "gloomy").find("an object of scores"), std::string::npos);
  EXPECT_NE(error_of("\"sad\"", "gloomy"), "");
}

TEST(EmotionAnswer, MovesLabelsInOrder) {
  // What a label was moved to counts as a number from then on.
  const EmotionScores scores = read_emotion_answer("{\"高兴\": \"sad\", \"愤怒\": \"sad\"}", "x");
  EXPECT_EQ(scores, (EmotionScores{0, 0, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(read_emotion_answer("{\"高兴\": \"sad\", \"悲伤\": \"angry\"}", "x"),
            (EmotionScores{0, 0, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(read_emotion_answer("{\"label\": \"x\", \"情绪\": \"afraid\"}", "x")[3], 1.0);
}

TEST(EmotionAnswer, RefusesWhatIsNotUtf8) {
  EXPECT_THROW(read_emotion_answer("\xFF", "x"), Error);
  EXPECT_THROW(read_emotion_answer("{}", "\xFF"), Error);
}

TEST(PythonNumber, TakesWhatFloatTakes) {
  EXPECT_EQ(parse_python_number(" +.5\n"), 0.5);
  EXPECT_EQ(parse_python_number("5."), 5.0);
  EXPECT_EQ(parse_python_number("-1E2"), -100.0);
  EXPECT_EQ(parse_python_number("1e999"), INFINITY);
  EXPECT_EQ(parse_python_number("-Infinity"), -INFINITY);
  EXPECT_EQ(parse_python_number("1e-999"), 0.0);
  EXPECT_EQ(parse_python_number("0." + std::string(400, '0') + "1"), 0.0);
  EXPECT_EQ(parse_python_number("𝟗𝟘"), 90.0);
  EXPECT_TRUE(std::isnan(*parse_python_number("NaN")));
  for (const char* bad : {"", " ", ".", "+", "+-1", "1 2", "_1", "1_", "1__0", "1_.5", "0x10", "1e",
                          "nan(1)", "infin", "½", "1,5", "--1", "e5"}) {
    EXPECT_FALSE(parse_python_number(bad)) << bad;
  }
}

}  // namespace
}  // namespace indextts2
