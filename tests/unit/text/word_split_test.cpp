// Tests of the words of Qwen2's tokenizer, one per alternative of its pattern.
#include "text/word_split.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace indextts2 {
namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& text) {
  Words words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = word_end(text, at);
    EXPECT_GT(end, at) << text;
    if (end <= at) break;
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

TEST(WordSplit, Contractions) {
  EXPECT_EQ(words_of("he's we'LLx"), (Words{"he", "'s", " we", "'LL", "x"}));
  EXPECT_EQ(words_of("'rex 'x"), (Words{"'re", "x", " '", "x"}));
  EXPECT_EQ(words_of("'x'"), (Words{"'x", "'"}));
  EXPECT_EQ(words_of("'l"), (Words{"'l"}));
  EXPECT_EQ(words_of("'ſa"), (Words{"'ſ", "a"}));
}

TEST(WordSplit, LettersNumbersAndMarks) {
  EXPECT_EQ(words_of("Hello, 你好。wide"), (Words{"Hello", ",", " 你好", "。wide"}));
  EXPECT_EQ(words_of("a12½b"), (Words{"a", "1", "2", "½", "b"}));
  EXPECT_EQ(words_of("x ..\n\ny"), (Words{"x", " ..\n\n", "y"}));
  EXPECT_EQ(words_of("\t..a"), (Words{"\t", "..", "a"}));
}

TEST(WordSplit, WhiteSpace) {
  EXPECT_EQ(words_of("a   b"), (Words{"a", "  ", " b"}));
  EXPECT_EQ(words_of("a   1"), (Words{"a", "  ", " ", "1"}));
  EXPECT_EQ(words_of("a \n \n  b"), (Words{"a", " \n \n", " ", " b"}));
  EXPECT_EQ(words_of("a  "), (Words{"a", "  "}));
  EXPECT_EQ(words_of("\nb"), (Words{"\n", "b"}));
  EXPECT_EQ(words_of("\u3000b \u3000."), (Words{"\u3000b", " ", "\u3000", "."}));
  EXPECT_EQ(words_of(" \x1C"), (Words{" \x1C"}));
}

}  // namespace
}  // namespace indextts2
