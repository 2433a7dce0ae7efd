// Tests of the hand-written matchers against what the reference's regular expressions find.
#include "text/patterns.h"

#include <gtest/gtest.h>

#include <string>

namespace indextts2 {
namespace {

using Found = std::vector<std::string>;

Found texts(std::string_view text, const std::vector<Match>& matches) {
  Found found;
  for (const Match& match : matches)
    found.emplace_back(text.substr(match.begin, match.end - match.begin));
  return found;
}

TEST(Patterns, Annotations) {
  const auto find = [](const char* text) { return texts(text, find_annotations(text)); };
  EXPECT_EQ(find("银<行|XING2>里<重|CHONG2>"), (Found{"<行|XING2>", "<重|CHONG2>"}));
  EXPECT_EQ(find("a<<b|c|d>>"), (Found{"<<b|c|d>"}));
  EXPECT_EQ(find("<|x> <x|> <x\ny|z> <x|y\nz> <x>"), (Found{}));
  EXPECT_EQ(find("<x|y\n<a|b>"), (Found{"<a|b>"}));
  EXPECT_EQ(find("<a><b|c>"), (Found{"<b|c>"}));
}

TEST(Patterns, Contractions) {
  const auto count = [](const char* text) { return find_contractions(text).size(); };
  EXPECT_EQ(count("it's, WHAT'S; there's sit's he'S"), 5u);
  EXPECT_EQ(count("John's hits's it' s 's it’s let's"), 0u);
}

TEST(Patterns, HyphenatedTerms) {
  const auto find = [](const char* text) { return texts(text, find_hyphenated(text)); };
  EXPECT_EQ(find("GPT-5-nano, F5-TTS"), (Found{"GPT-5-nano", "F5-TTS"}));
  EXPECT_EQ(find("135-4567 1a-b x-1--c 用AI-b"), (Found{"a-b", "x-1", "AI-b"}));
  EXPECT_EQ(find("-a a- a-"), (Found{}));
}

TEST(Patterns, Pinyin) {
  const auto find = [](const char* text) { return texts(text, find_pinyin(text)); };
  EXPECT_EQ(find("晕XUAN4是GAN3觉"), (Found{"XUAN4", "GAN3"}));
  EXPECT_EQ(find("lü4 nüe4 ng2 er2 zhuang1 qiong5"),
            (Found{"lü4", "nüe4", "ng2", "er2", "zhuang1", "qiong5"}));
  EXPECT_EQ(find("beta1 voice2 babala2 m2 xuan6 gan0"), (Found{}));
  EXPECT_EQ(find("1a2b3"), (Found{"a2"}));
}

TEST(Patterns, Names) {
  const auto find = [](const char* text) { return texts(text, find_names(text)); };
  EXPECT_EQ(find("克里斯托弗·诺兰、约瑟夫·高登-莱维特-乙"),
            (Found{"克里斯托弗·诺兰", "约瑟夫·高登-莱维特"}));
  EXPECT_EQ(find("破折号——连接 甲· 乙 A·乙"), (Found{}));
}

TEST(Patterns, Email) {
  EXPECT_TRUE(is_email("user1@example.com"));
  EXPECT_TRUE(is_email("a@b.c\n"));
  for (const char* no :
       {"", "a@b", "a@b.", "@b.c", "a@.c", "a@b.c1", "a.b@c.d", "a@b.c\n\n", " a@b.c"}) {
    EXPECT_FALSE(is_email(no)) << no;
  }
}

TEST(Patterns, LongInputIsLinear) {
  // A quadratic matcher would need minutes.
  const size_t kSize = 1 << 20;
  EXPECT_TRUE(find_annotations(std::string(kSize, '<')).empty());
  EXPECT_TRUE(find_annotations(std::string(kSize, '<') + "|").empty());
  EXPECT_TRUE(find_hyphenated(std::string(kSize, '-')).empty());
  EXPECT_TRUE(find_contractions(std::string(kSize, '\'')).empty());
  EXPECT_TRUE(find_pinyin(std::string(kSize, 'a') + "1").empty());
  std::string digits(kSize, '3');
  EXPECT_TRUE(find_pinyin(digits).empty());
}

}  // namespace
}  // namespace indextts2
