// Tests of the places that the alignment finds.
#include "text/alignment.h"

#include <gtest/gtest.h>

#include <string>

namespace indextts2 {
namespace {

TEST(Alignment, WordsAreAnchors) {
  const std::string source = "He paid $12.50 on May 3rd. Then he left.";
  const std::string spoken = "HE PAID TWELVE POINT FIVE DOLLARS ON MAY THIRD. THEN HE LEFT.";
  const Alignment alignment(source, spoken);
  for (const char* word : {"ON", "THEN", "LEFT"}) {
    std::string lower = word;
    for (char& c : lower) c = &c == &lower[0] && lower == "THEN" ? c : static_cast<char>(c + 32);
    const size_t wanted = source.find(std::string(word) == "THEN" ? "Then" : lower);
    EXPECT_EQ(alignment.source_offset(spoken.find(word)), wanted) << word;
  }
  EXPECT_EQ(alignment.source_offset(0), 0u);
  EXPECT_EQ(alignment.source_offset(spoken.size()), source.size());
}

TEST(Alignment, MonotoneAndAtCharacters) {
  const std::string source = "苹果于2030/1/2发布，最低售价 ¥12999。";
  const std::string spoken =
      "苹 果 于 二 零 三 零 年 一 月 二 日 发 布 , 最 低 售 价 一 万 两 千 九 百 九 十 九 元 .";
  const Alignment alignment(source, spoken);
  size_t last = 0;
  for (size_t at = 0; at <= spoken.size(); ++at) {
    const size_t place = alignment.source_offset(at);
    EXPECT_GE(place, last);
    EXPECT_NE(static_cast<unsigned char>(source[place]) & 0xC0, 0x80);
    last = place;
  }
  EXPECT_EQ(last, source.size());
}

TEST(Alignment, EmptySides) {
  EXPECT_EQ(Alignment("", "").source_offset(0), 0u);
  EXPECT_EQ(Alignment("abc", "").source_offset(0), 0u);
  EXPECT_EQ(Alignment("", "abc").source_offset(3), 0u);
}

}  // namespace
}  // namespace indextts2
