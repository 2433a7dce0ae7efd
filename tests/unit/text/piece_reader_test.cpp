// Tests that pieces, put together, are what the grammar makes of the whole text.
#include "text/piece_reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "text/tokenizer.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

const Grammars& grammars() {
  static const Grammars grammars(GRAMMAR_DIR);
  return grammars;
}

std::string read_in_pieces(const std::string& text, const Glossary& glossary = Glossary()) {
  const ProtectedText whole(text);
  PieceReader reader(whole, glossary, grammars().get(whole.language()));
  std::string spoken;
  while (!reader.at_end()) {
    spoken += reader.next();
    EXPECT_LE(reader.end() - reader.begin(), kWholeBytes);
    EXPECT_GT(reader.end(), reader.begin());
  }
  return separate_characters(spoken);
}

std::string read_whole(const std::string& text, const Glossary& glossary = Glossary()) {
  const ProtectedText whole(text);
  return separate_characters(
      normalize_piece(whole, whole.text(), glossary, grammars().get(whole.language())));
}

std::vector<std::string> golden_texts(const std::string& path) {
  std::ifstream stream(GOLDEN_DIR "/reference/front.jsonl");
  std::vector<std::string> texts;
  for (std::string line; std::getline(stream, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.at("path") == path) texts.push_back(entry.at("text"));
  }
  return texts;
}

// Texts of 1 to 3 kB, put together from golden texts at random.
void compare(const std::string& path, const std::vector<std::string>& separators, int count) {
  const std::vector<std::string> parts = golden_texts(path);
  ASSERT_GT(parts.size(), 10u);
  std::mt19937 random(static_cast<unsigned>(path[0]));
  for (int k = 0; k < count; ++k) {
    const size_t size = 1001 + random() % 1900;
    std::string text;
    while (text.size() < size) {
      text += parts[random() % parts.size()] + separators[random() % separators.size()];
    }
    EXPECT_EQ(read_in_pieces(text), read_whole(text)) << text;
  }
}

TEST(PieceReader, EnglishEqualsWholeText) { compare("en", {" ", "\n", "\n\n"}, 6); }

TEST(PieceReader, ChineseEqualsWholeText) { compare("zh", {"", "\n", "。", " "}, 10); }

TEST(PieceReader, DialogueEqualsWholeText) {
  std::string text;
  for (int k = 0; k < 30; ++k) {
    text += "\"Who is there?\" he asked.\n\"It's room " + std::to_string(17 * k) + "!\"\n\n";
  }
  EXPECT_EQ(read_in_pieces(text), read_whole(text));
}

TEST(PieceReader, GlossaryAndProtectedWordsAreNotCut) {
  const Glossary glossary({{"end here. Now on", "", "finish"}});
  std::string text = "<a|b. C>";
  for (int k = 0; k < 40; ++k) text += "They end here. Now on to <the next|N EH1. K S> part. ";
  const std::string spoken = read_in_pieces(text, glossary);
  EXPECT_EQ(spoken, read_whole(text, glossary));
  EXPECT_EQ(spoken.find("END HERE"), std::string::npos);
}

TEST(PieceReader, TextWithoutAPlaceToCut) {
  for (const std::string& unit : std::vector<std::string>{"a", "好", "5", "!", "\xF0\x9F\x98\x80",
                                                          " ", "\n", "-", "\"", "a-"}) {
    std::string text;
    while (text.size() < 3000) text += unit;
    const ProtectedText whole(text);
    const Glossary none;
    for (size_t at = 0; at < text.size();) {
      const size_t end = piece_end(whole.text(), at, none);
      ASSERT_GT(end, at) << unit;
      ASSERT_LE(end - at, kWholeBytes) << unit;
      ASSERT_EQ(end, end == text.size() ? end : character_start(text, end)) << unit;
      at = end;
    }
  }
}

TEST(PieceReader, AbbreviationsAreNoSentences) {
  std::string text(kPieceBytes, 'x');
  text += " met Dr. Brown at St. Mary's at 5 p.m. Monday, no. Then it ended. Then more.";
  text += std::string(kWholeBytes, 'y');
  EXPECT_EQ(text.substr(piece_end(text, 0, Glossary()), 10), "Then more.");
}

}  // namespace
}  // namespace indextts2
