// Tests of the front end as a whole: odd texts, source bytes, long texts, stopping, threads.
#include "text/front_end.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "core/clock.h"
#include "core/error.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif

namespace indextts2 {
namespace {

const FrontEnd& front() {
  static const FrontEnd front(GOLDEN_DIR "/reference/tiny/bpe.model", GRAMMAR_DIR);
  return front;
}

// All segments of a text, after checks of what holds for every text.
std::vector<Segment> read_all(const std::string& text, const FrontOptions& options = {}) {
  const auto reader = front().open(text, options);
  std::vector<Segment> segments;
  size_t until = 0;
  for (Segment segment; reader->next(&segment, StopToken());) {
    EXPECT_EQ(segment.index, static_cast<int>(segments.size()));
    EXPECT_EQ(segment.begin, until);
    EXPECT_GE(segment.end, segment.begin);
    EXPECT_FALSE(segment.ids.empty());
    EXPECT_LE(segment.ids.size(), static_cast<size_t>(options.max_segment_tokens) + 1);
    if (segment.end < text.size()) {
      EXPECT_NE(static_cast<unsigned char>(text[segment.end]) & 0xC0, 0x80);
    }
    until = segment.end;
    segments.push_back(segment);
  }
  for (const Segment& segment : segments) EXPECT_EQ(segment.last, &segment == &segments.back());
  if (!segments.empty()) {
    EXPECT_EQ(until, text.size());
  }
  Segment more;
  EXPECT_FALSE(reader->next(&more, StopToken()));
  return segments;
}

ErrorCode code_of(const std::string& text, const FrontOptions& options = {}) {
  try {
    front().open(text, options);
  } catch (const Error& error) {
    return error.code;
  }
  return ErrorCode::kInternal;
}

std::string book(size_t size) {
  std::string text;
  for (int k = 0; text.size() < size; ++k) {
    text += "The quick brown fox jumps over the lazy dog, again and again. He paid $" +
            std::to_string(k % 900) +
            ".50 on May 3rd, and it was late. \"Who's there?\" asked he.\n";
  }
  return text;
}

size_t resident_kilobytes() {
  std::ifstream stream("/proc/self/statm");
  size_t pages = 0, resident = 0;
  stream >> pages >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

TEST(FrontEnd, TextsWithoutTokensHaveNoSegments) {
  for (const char* text : {"", " ", "\n\t ", "\xE3\x80\x80\xE3\x80\x80"}) {
    EXPECT_TRUE(read_all(text).empty()) << text;
  }
  EXPECT_TRUE(read_all(std::string(5000, ' ')).empty());
  EXPECT_TRUE(read_all(std::string(2000, '\n')).empty());
}

TEST(FrontEnd, OddTextsHaveADefinedResult) {
  const std::string nul("Hello\0 5 dogs\0", 14), only_nul(3, '\0');
  for (const std::string& text :
       {std::string("!"), std::string("?!…。，"), std::string("😀"),
        std::string("😀🎉👍🏽👨‍👩‍👧"), std::string("שלום עולם"),
        std::string("مرحبا 5"), std::string("\x01\x02\x7F"), std::string("a\x01 b\x02"),
        std::string("\xE2\x80\x8F\xE2\x80\x8E"), std::string("\xEF\xBB\xBFHello."),
        std::string("\r\n5 dogs\r\n"), std::string("\xCC\x81\xCC\x81"), nul, only_nul}) {
    for (const int repeat : {1, 400}) {
      std::string repeated;
      for (int k = 0; k < repeat; ++k) repeated += text;
      read_all(repeated);
    }
  }
  EXPECT_FALSE(read_all("?!").empty());
  EXPECT_EQ(read_all("a").size(), 1u);
}

TEST(FrontEnd, RefusesWhatIsNotUtf8AndBadLimits) {
  EXPECT_EQ(code_of("abc\xC3("), ErrorCode::kTextDecode);
  FrontOptions options;
  options.max_segment_tokens = 1;
  EXPECT_EQ(code_of("abc", options), ErrorCode::kSettings);
  options.max_segment_tokens = 120;
  options.first_segment_tokens = -1;
  EXPECT_EQ(code_of("abc", options), ErrorCode::kSettings);
}

TEST(FrontEnd, SegmentsSpeakTheirSentences) {
  FrontOptions options;
  options.max_segment_tokens = 16;
  const std::string text =
      "He paid $12.50 for it on May 3rd. Then <he|HH IY1> left for 1,000 miles. We stayed here.";
  const std::vector<Segment> segments = read_all(text, options);
  std::vector<size_t> borders;
  for (const Segment& segment : segments) borders.push_back(segment.end);
  EXPECT_TRUE(std::count(borders.begin(), borders.end(), text.find("Then")));
  EXPECT_TRUE(std::count(borders.begin(), borders.end(), text.find("We")));
  const std::vector<Segment> chinese =
      read_all("今天是2024年3月15日。他付了200块钱！好吗？", options);
  ASSERT_GE(chinese.size(), 2u);
}

TEST(FrontEnd, FirstSegmentTokensGiveAnEarlyStart) {
  FrontOptions options;
  const size_t usual = read_all(book(1500), options).front().ids.size();
  options.first_segment_tokens = 100;
  EXPECT_LE(read_all(book(1500), options).front().ids.size(), 60u);
  EXPECT_GT(usual, 60u);
}

TEST(FrontEnd, ReportsUnknownPieces) {
  FrontOptions options;
  std::vector<std::string> unknown;
  options.unknown = [&](const std::vector<std::string>& pieces) {
    unknown.insert(unknown.end(), pieces.begin(), pieces.end());
  };
  read_all("All is known.", options);
  EXPECT_TRUE(unknown.empty());
  read_all("This 😀 is not.", options);
  EXPECT_EQ(unknown, std::vector<std::string>{"😀"});
}

TEST(FrontEnd, StopsBetweenPieces) {
  StopSource source;
  const auto reader = front().open(book(20000), {});
  Segment segment;
  ASSERT_TRUE(reader->next(&segment, source.token()));
  source.request_stop();
  try {
    while (reader->next(&segment, source.token())) {
    }
    FAIL() << "read to the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kCancelled);
  }
}

TEST(FrontEnd, ReaderOutlivesTheFrontEnd) {
  std::unique_ptr<SegmentReader> reader;
  {
    const FrontEnd temporary(GOLDEN_DIR "/reference/tiny/bpe.model", GRAMMAR_DIR);
    reader = temporary.open("Hello there.", {});
  }
  Segment segment;
  EXPECT_TRUE(reader->next(&segment, StopToken()));
}

TEST(FrontEnd, ThreadsGetTheSameSegments) {
  const FrontEnd fresh(GOLDEN_DIR "/reference/tiny/bpe.model", GRAMMAR_DIR);
  const std::string text = book(1200) + "He said 5.";
  std::vector<std::vector<int32_t>> ids(4);
  std::vector<std::thread> threads;
  for (auto& own : ids) {
    threads.emplace_back([&] {
      const auto reader = fresh.open(text, {});
      for (Segment segment; reader->next(&segment, StopToken());) {
        own.insert(own.end(), segment.ids.begin(), segment.ids.end());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& own : ids) EXPECT_EQ(own, ids[0]);
}

// A first segment of a book is there within 100 ms, whatever its size, and reading on takes no more
// memory.
TEST(FrontEnd, BookStartsAtOnceInFlatMemory) {
  front().load(Language::kEnglish);
  const std::string text = book(1 << 20);
  Segment segment;
  double best = 1e9;  // of three, so that a busy machine does not count
  std::unique_ptr<SegmentReader> reader;
  for (int k = 0; k < 3; ++k) {
    const double start = now_seconds();
    reader = front().open(text, {});
    ASSERT_TRUE(reader->next(&segment, StopToken()));
    best = std::min(best, now_seconds() - start);
  }
  if (UNDER_SANITIZER) {
    std::printf("promptness not checked: sanitizer build\n");
  } else {
    EXPECT_LT(best, 0.1);
  }
  for (int k = 0; k < 20; ++k) ASSERT_TRUE(reader->next(&segment, StopToken()));
  const size_t before = resident_kilobytes();
  for (int k = 0; k < 100; ++k) ASSERT_TRUE(reader->next(&segment, StopToken()));
  if (!UNDER_SANITIZER) {
    EXPECT_LT(resident_kilobytes(), before + 4096);
  }
}

}  // namespace
}  // namespace indextts2
