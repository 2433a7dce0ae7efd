// Tests of the glossary: order, letter case, files.
#include "text/glossary.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"

namespace indextts2 {
namespace {

std::string write(const std::string& text) {
  const std::string path = testing::TempDir() + "/glossary.yaml";
  std::ofstream(path) << text;
  return path;
}

std::string error_of(const std::string& text) {
  try {
    load_glossary(write(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOpenRead);
    return error.what();
  }
  return "";
}

TEST(Glossary, LongestTermFirstAnyCaseLiteral) {
  const Glossary glossary(
      {{"PCIe", "P", "P"}, {"PCIe 5.0", "五", "five"}, {"É", "e", "e"}, {"C++", "\\1", "$&"}});
  EXPECT_EQ(glossary.apply("pcie 5.0, PCIE 4, é, c++", Language::kEnglish), "five, P 4, e, $&");
  EXPECT_EQ(glossary.apply("pcie 5.0 c++", Language::kChinese), "五 \\1");
}

TEST(Glossary, KnowsTermsAcrossAPlace) {
  const Glossary glossary({{"Inc. Ltd", "x", "x"}});
  const std::string text = "An inc. ltd. It";
  EXPECT_TRUE(glossary.spans(text, text.find("ltd")));
  EXPECT_FALSE(glossary.spans(text, text.find("inc")));
  EXPECT_FALSE(glossary.spans(text, text.find(". It")));
}

TEST(Glossary, LoadsYaml) {
  const Glossary glossary = load_glossary(
      write("M.2:\n  en: M dot two\n  zh: M 二\nTTS: T T S\nC++: {en: C plus plus}\n"));
  EXPECT_EQ(glossary.apply("m.2 tts c++", Language::kEnglish), "M dot two T T S C plus plus");
  EXPECT_EQ(glossary.apply("m.2 c++", Language::kChinese), "M 二 C++");
  EXPECT_TRUE(load_glossary(write("")).empty());
}

TEST(Glossary, ErrorsNameTheLine) {
  EXPECT_NE(error_of("a: b\nc: [d]\n").find("line 2"), std::string::npos);
  EXPECT_NE(error_of("a: {fr: b}\n").find("\"fr\""), std::string::npos);
  EXPECT_NE(error_of("- a\n").find("expected terms"), std::string::npos);
  EXPECT_NE(error_of("a: {b\n").find("not YAML"), std::string::npos);
  EXPECT_NE(error_of("a:\n").find("no reading for \"a\""), std::string::npos);
  EXPECT_NE(error_of("a: \xFF\n"), "");
  EXPECT_THROW(load_glossary("/nonexistent/glossary.yaml"), Error);
  EXPECT_THROW(Glossary({{"", "x", "x"}}), Error);
}

}  // namespace
}  // namespace indextts2
