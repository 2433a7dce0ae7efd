// The patterns that the front end looks for in a text, as hand-written matchers: linear time, no
// recursion. Follows index-tts ee40fa7, indextts/utils/front.py, TextNormalizer; the regular
// expressions are quoted beside each.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace indextts2 {

struct Match {
  size_t begin, end;  // bytes
};

// All functions take valid UTF-8 and return matches in order that do not overlap, leftmost first.

// <([^|>\n]+)\|([^>\n]+)>   a pronunciation given by the author: <行|XING2>
std::vector<Match> find_annotations(std::string_view text);

// (what|where|who|which|how|t?here|it|s?he|that|this)'s, any case   the match is the 's alone
std::vector<Match> find_contractions(std::string_view text);

// [A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+   words joined by hyphens
std::vector<Match> find_hyphenated(std::string_view text);

// A pinyin syllable with tone 1 to 5, any case, not after a letter: xuan4, lü4
std::vector<Match> find_pinyin(std::string_view text);

// [\u4e00-\u9fff]+(?:[-·—][\u4e00-\u9fff]+){1,2}   foreign names: 克里斯托弗·诺兰
std::vector<Match> find_names(std::string_view text);

// ^[a-zA-Z0-9]+@[a-zA-Z0-9]+\.[a-zA-Z]+$   the whole text; one newline may follow
bool is_email(std::string_view text);

}  // namespace indextts2
