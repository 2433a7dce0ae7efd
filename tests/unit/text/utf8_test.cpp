// Tests of UTF-8 validation, character reading and white space.
#include "text/utf8.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "text/upper.h"

namespace indextts2 {
namespace {

std::string error_of(const std::string& text) {
  try {
    check_utf8(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kTextDecode);
    return error.what();
  }
  return "";
}

TEST(Utf8, AcceptsAllLengthsAndNul) {
  EXPECT_EQ(error_of(""), "");
  EXPECT_EQ(error_of(std::string("a\0b", 3)), "");
  EXPECT_EQ(error_of("é 好 😀 \xF4\x8F\xBF\xBF"), "");
}

TEST(Utf8, NamesByteAndOffset) {
  EXPECT_NE(error_of("abc\xFF").find("0xFF at offset 3"), std::string::npos);
  EXPECT_NE(error_of("好\x80").find("0x80 at offset 3"), std::string::npos);
  for (const char* bad :
       {"\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
        "\xF8\x88\x80\x80\x80", "\xE5\xA5", "\xC3", "\xC3("}) {
    EXPECT_NE(error_of(bad).find("at offset 0"), std::string::npos) << bad;
  }
}

TEST(Utf8, ReplacesTheLongestStarts) {
  EXPECT_EQ(replace_invalid_utf8("a好😀"), "a好😀");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98x\xE5\xA5好"), "\uFFFDx\uFFFD好");
  EXPECT_EQ(replace_invalid_utf8("\xE0\x80\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xF5\x80\xC3"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Utf8, ReadsForwardsAndBackwards) {
  const std::string text = "aé好😀";
  std::u32string forwards;
  std::string again;
  for (size_t at = 0; at < text.size();) forwards += next_character(text, &at);
  for (const char32_t character : forwards) append_character(&again, character);
  EXPECT_EQ(forwards, U"aé好😀");
  EXPECT_EQ(again, text);
  EXPECT_EQ(previous_character(text, text.size()), U'😀');
  EXPECT_EQ(previous_character(text, 0), 0u);
  EXPECT_EQ(character_start(text, text.size() - 1), text.size() - 4);
}

TEST(Utf8, StripsUnicodeSpace) {
  EXPECT_EQ(strip("\xE3\x80\x80 \t好 a\n\x1F\xC2\xA0"), "好 a");
  EXPECT_EQ(strip_end(" a \r\n"), " a");
  EXPECT_EQ(strip(" \n"), "");
}

TEST(Upper, UsesTheFullMapping) {
  const auto upper = [](const char* text) {
    std::string out;
    for (size_t at = 0; at < std::string_view(text).size();) {
      append_upper(&out, next_character(text, &at));
    }
    return out;
  };
  EXPECT_EQ(upper("Straße ﬁn ŉ ǆ ü я 好 1"), "STRASSE FIN ʼN Ǆ Ü Я 好 1");
  EXPECT_EQ(upper("ΐ"), "\xCE\x99\xCC\x88\xCC\x81");
}

}  // namespace
}  // namespace indextts2
