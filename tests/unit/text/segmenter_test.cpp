// Tests of the streaming segmenter against a direct implementation that works on the whole text.
#include "text/segmenter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/error.h"

namespace indextts2 {
namespace {

using Pieces = std::vector<std::string>;
using Marks = std::set<std::string>;

struct Limits {
  size_t max, quick;
};

// The recursive definition, from model to text.
std::vector<Pieces> split_whole(const Pieces& pieces, const Marks& marks, const Limits& limits) {
  const Marks commas = {",", "▁,"}, hyphens = {"-"};
  const auto has_any = [](const Pieces& in, const Marks& of) {
    return std::any_of(in.begin(), in.end(), [&](const std::string& p) { return of.count(p) > 0; });
  };
  std::vector<Pieces> parts, joined;
  Pieces current;
  for (size_t i = 0; i < pieces.size(); ++i) {
    current.push_back(pieces[i]);
    std::vector<Pieces> inner;
    if (!marks.count(",") && has_any(current, commas)) {
      inner = split_whole(current, commas, limits);
    } else if (!marks.count("-") && has_any(current, hyphens)) {
      inner = split_whole(current, hyphens, limits);
    } else if (current.size() <= limits.max) {
      if (!marks.count(pieces[i]) || current.size() <= 2) continue;
      const bool quote = i + 1 < pieces.size() && (pieces[i + 1] == "'" || pieces[i + 1] == "▁'");
      if (quote) current.push_back(pieces[i + 1]);
      inner = {current};
    } else {
      inner = {Pieces(current.begin(), current.end() - 1), {current.back()}};
    }
    parts.insert(parts.end(), inner.begin(), inner.end());
    current.clear();
  }
  if (!current.empty()) parts.push_back(current);
  size_t total = 0;
  for (const Pieces& part : parts) {
    total += part.size();
    const size_t both = joined.empty() ? 0 : joined.back().size() + part.size();
    if (!joined.empty() &&
        ((both <= limits.max && total > limits.quick) || 2 * both <= limits.max)) {
      joined.back().insert(joined.back().end(), part.begin(), part.end());
    } else {
      joined.push_back(part);
    }
  }
  return joined;
}

std::vector<Pieces> split_stream(const Pieces& pieces, const SegmenterOptions& options) {
  Segmenter segmenter(options);
  std::vector<Pieces> segments;
  const auto drain = [&] {
    for (Tokens segment; segmenter.pop(&segment);) {
      segments.emplace_back();
      for (const TextToken& token : segment) segments.back().push_back(token.piece);
    }
  };
  for (const std::string& piece : pieces) {
    segmenter.push({piece, 0, 0, 0});
    drain();
  }
  segmenter.finish();
  drain();
  EXPECT_EQ(segmenter.following(), nullptr);
  return segments;
}

TEST(Segmenter, EqualsTheWholeTextRule) {
  const Marks sentences = {".", "!", "?", "▁.", "▁?", "▁..."};
  const Pieces marks = {".", "!", "?", "▁.", "▁?", "▁...", ",", "▁,", "-", "'", "▁'", "...", "▁!"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    const Limits limits = {2 + random() % (round % 2 ? 8 : 40), random() % 3 ? 0 : random() % 30};
    const unsigned density = 1 + random() % 20;  // one mark among so many tokens
    Pieces pieces(random() % 150);
    for (std::string& piece : pieces) {
      piece = random() % density ? (random() % 2 ? "▁A" : "B") : marks[random() % marks.size()];
    }
    const SegmenterOptions options = {static_cast<int>(limits.max), static_cast<int>(limits.quick),
                                      false};
    ASSERT_EQ(split_stream(pieces, options), split_whole(pieces, sentences, limits)) << round;
  }
}

TEST(Segmenter, RepeatsAnApostropheBehindASentence) {
  EXPECT_EQ(split_stream({"A", "B", ".", "'", "C"}, {5, 0, false}),
            (std::vector<Pieces>{{"A", "B", ".", "'"}, {"'", "C"}}));
}

TEST(Segmenter, GivesASegmentBeforeTheEnd) {
  Segmenter segmenter({4, 0, false});
  Tokens segment;
  for (int k = 0; k < 6; ++k)
    segmenter.push({k % 3 == 2 ? "." : "A", 0, static_cast<size_t>(k), 0});
  EXPECT_FALSE(segmenter.pop(&segment));  // the last mark waits for an apostrophe
  segmenter.push({"A", 0, 6, 0});
  ASSERT_TRUE(segmenter.pop(&segment));
  EXPECT_EQ(segment.size(), 3u);
  ASSERT_NE(segmenter.following(), nullptr);
  EXPECT_EQ(segmenter.following()->begin, 3u);
}

TEST(Segmenter, CutsLettersBetweenWords) {
  Pieces letters;
  for (int word = 0; word < 30; ++word) {
    letters.push_back("▁");
    for (int k = 0; k < 1 + word % 7; ++k) letters.push_back("A");
  }
  const std::vector<Pieces> segments = split_stream(letters, {20, 0, true});
  Pieces all;
  for (const Pieces& segment : segments) {
    EXPECT_LE(segment.size(), 20u);
    EXPECT_EQ(segment.front(), "▁");
    all.insert(all.end(), segment.begin(), segment.end());
  }
  EXPECT_EQ(all, letters);
  EXPECT_GT(segments.size(), 5u);
  // A word longer than a segment is cut all the same.
  const std::vector<Pieces> long_word = split_stream(Pieces(50, "A"), {20, 0, true});
  for (const Pieces& segment : long_word) EXPECT_LE(segment.size(), 20u);
}

TEST(Segmenter, RefusesLimits) {
  EXPECT_THROW(Segmenter({1, 0, false}), Error);
  EXPECT_THROW(Segmenter({120, -1, false}), Error);
}

}  // namespace
}  // namespace indextts2
