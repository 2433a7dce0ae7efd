// Tests of the steps around the grammars that the golden cases do not reach.
#include "text/normalizer.h"

#include <gtest/gtest.h>

namespace indextts2 {
namespace {

std::string normalize(const std::string& text, const Glossary& glossary = Glossary()) {
  static const Grammars grammars(GRAMMAR_DIR);
  const ProtectedText whole(text);
  return normalize_piece(whole, whole.text(), glossary, grammars.get(whole.language()));
}

TEST(Normalizer, ChoosesTheLanguageOfTheWholeText) {
  EXPECT_EQ(choose_language("Hello 5"), Language::kEnglish);
  EXPECT_EQ(choose_language("Hello 好"), Language::kChinese);
  EXPECT_EQ(choose_language("12:30!"), Language::kChinese);
  EXPECT_EQ(choose_language("a@b.com\n"), Language::kChinese);
  EXPECT_EQ(choose_language("say xuan4"), Language::kChinese);
  EXPECT_EQ(choose_language("beta1"), Language::kEnglish);
  // The Chinese character stands in a pronunciation, so it does not count.
  EXPECT_EQ(ProtectedText("I say <行|XING2> here").language(), Language::kEnglish);
}

TEST(Normalizer, CorrectsPinyin) {
  EXPECT_EQ(correct_pinyin("ju4"), "JV4");
  EXPECT_EQ(correct_pinyin("xuan2"), "XVAN2");
  EXPECT_EQ(correct_pinyin("qü1"), "QV1");
  EXPECT_EQ(correct_pinyin("jiong3"), "JIONG3");
  EXPECT_EQ(correct_pinyin("liao3"), "liao3");
}

TEST(Normalizer, MapsMarks) {
  EXPECT_EQ(map_characters("a：b；c...d,,,e……f「g」~\n$", Language::kEnglish), "a,b,c…d…e…f'g'- $");
  EXPECT_EQ(map_characters("$", Language::kChinese), ".");
}

TEST(Normalizer, KeepsManyPinyinAndNames) {
  // The reference runs out of letters here, and "an1" would hit "gan1".
  std::string text = "读";
  for (int k = 0; k < 100; ++k) text += "gan1 an1 lü4 ";
  std::string names;
  for (int k = 0; k < 40; ++k) names += "甲·乙，";
  EXPECT_EQ(normalize(text), std::string(text, 0, text.size() - 1));
  std::string expected;
  for (int k = 0; k < 40; ++k) expected += "甲-乙,";
  EXPECT_EQ(normalize(names), expected);
}

TEST(Normalizer, RestoresManyPronunciations) {
  std::string text;
  for (int k = 0; k < 60; ++k) text += "<字|ZI" + std::to_string(k) + ">一";
  EXPECT_EQ(normalize(text), text);
}

TEST(Normalizer, GlossaryLeavesProtectedWordsAlone) {
  const Glossary glossary({{"on", "X", "X"}, {"holder", "X", "X"}});
  EXPECT_EQ(normalize("go on <word|W ER1> on", glossary), "go X <word|W ER1> X");
}

TEST(Normalizer, SourceOffsetsSkipPronunciations) {
  const ProtectedText whole("ab<x|y>cd<z|w>e");
  EXPECT_EQ(whole.source_size(), 15u);
  EXPECT_EQ(whole.source_offset(0), 0u);
  EXPECT_EQ(whole.source_offset(2), 2u);
  EXPECT_EQ(whole.source_offset(10), 2u);
  EXPECT_EQ(whole.source_offset(whole.text().find("cd")), 7u);
  EXPECT_EQ(whole.source_offset(whole.text().size() - 1), 14u);
  EXPECT_EQ(whole.source_offset(whole.text().size()), 15u);
}

}  // namespace
}  // namespace indextts2
