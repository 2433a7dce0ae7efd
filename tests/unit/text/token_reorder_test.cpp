// Tests of the tagger output parser and of the order of members.
#include "text/token_reorder.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace indextts2 {
namespace {

TEST(TokenReorder, PutsListedMembersInOrder) {
  EXPECT_EQ(reorder_tokens(R"(date { day: "三日" month: "五月" year: "二零二四年" })",
                           Language::kChinese),
            R"(date { year: "二零二四年" month: "五月" day: "三日" })");
  EXPECT_EQ(reorder_tokens(R"(money { currency_maj: "dollars" integer_part: "two" extra: "x" })",
                           Language::kEnglish),
            R"(money { integer_part: "two" currency_maj: "dollars" })");
}

TEST(TokenReorder, KeepsOthersAndPreserved) {
  const char* kept =
      R"(date { month: "may" day: "third" preserve_order: "true" } w { v: "x" a: "b" })";
  EXPECT_EQ(reorder_tokens(kept, Language::kEnglish), kept);
  EXPECT_EQ(reorder_tokens(R"(money { value: "a" currency: "b" })", Language::kEnglish),
            "money { }");
}

TEST(TokenReorder, KeepsEscapes) {
  const char* escaped = R"(p { v: "\"" } p { v: "\\" })";
  EXPECT_EQ(reorder_tokens(escaped, Language::kEnglish), escaped);
}

TEST(TokenReorder, RefusesOtherText) {
  for (const char* bad : {"w", "w {", "w { v: \"x }", "w { v \"x\" }", "{ }", "w { v: \"\\", "1"}) {
    EXPECT_THROW(reorder_tokens(bad, Language::kEnglish), Error) << bad;
  }
}

}  // namespace
}  // namespace indextts2
