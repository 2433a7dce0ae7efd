// The patterns that the front end looks for in a text: hand-written matchers.
#include "text/patterns.h"

#include <algorithm>
#include <set>
#include <string>

#include "text/utf8.h"

namespace indextts2 {
namespace {

bool is_word_character(char c) {
  return is_ascii_letter(static_cast<unsigned char>(c)) ||
         is_ascii_digit(static_cast<unsigned char>(c));
}

size_t skip_word(std::string_view text, size_t at) {
  while (at < text.size() && is_word_character(text[at])) ++at;
  return at;
}

size_t skip_han(std::string_view text, size_t at) {
  for (size_t next = at; next < text.size() && is_han(next_character(text, &next));) at = next;
  return at;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The pinyin letter that a character stands for: a to z, 'U' for ü, 0 for all else. The last four
// are what ignoring case means in Unicode.
char pinyin_letter(char32_t character) {
  if (character < 0x80) return is_ascii_letter(character) ? lower(static_cast<char>(character)) : 0;
  switch (character) {
    case 0xFC:
    case 0xDC:
      return 'U';
    case 0x130:
    case 0x131:
      return 'i';
    case 0x17F:
      return 's';
    case 0x212A:
      return 'k';
    default:
      return 0;
  }
}

// (?:[bpmfdtnlgkhjqxzcsryw]|[zcs]h)?(?:[aeiouüv]|[ae]i|u[aio]|ao|ou|i[aue]|[uüv]e|[uvü]ang?|uai|[aeiuv]n|[aeio]ng|
// ia[no]|i[ao]ng)|ng|er
bool is_syllable(std::string_view letters) {
  static const std::set<std::string_view> kFinals = {
      "a",   "e",    "i",   "o",    "u",   "U",    "v",   "ai",  "ei",   "ua",
      "ui",  "uo",   "ao",  "ou",   "ia",  "iu",   "ie",  "ue",  "Ue",   "ve",
      "uan", "uang", "van", "vang", "Uan", "Uang", "uai", "an",  "en",   "in",
      "un",  "vn",   "ang", "eng",  "ing", "ong",  "ian", "iao", "iang", "iong"};
  static constexpr std::string_view kInitials = "bpmfdtnlgkhjqxzcsryw";
  if (kFinals.count(letters) || letters == "ng" || letters == "er") return true;
  if (letters.empty() || kInitials.find(letters[0]) == std::string_view::npos) return false;
  if (kFinals.count(letters.substr(1))) return true;
  return letters.size() > 2 && letters[1] == 'h' &&
         std::string_view("zcs").find(letters[0]) != std::string_view::npos &&
         kFinals.count(letters.substr(2));
}

constexpr size_t kLongestSyllable = 6;  // zhuang

// Where a syllable that ends before the tone at `tone` starts, not before `from`; `tone` itself
// when there is none.
size_t syllable_start(std::string_view text, size_t from, size_t tone) {
  std::string letters;
  size_t best = tone;
  for (size_t at = tone; at > from && letters.size() < kLongestSyllable;) {
    const char letter = pinyin_letter(previous_character(text, at));
    if (!letter) break;
    letters.insert(letters.begin(), letter);
    at = character_start(text, at - 1);
    const char before = pinyin_letter(previous_character(text, at));
    if ((before == 0 || before == 'U') && is_syllable(letters)) best = at;
  }
  return best;
}

}  // namespace

std::vector<Match> find_annotations(std::string_view text) {
  std::vector<Match> found;
  for (size_t at = text.find('<'); at < text.size();) {
    const size_t bar = text.find_first_of("|>\n", at + 1);
    if (bar == std::string_view::npos) break;
    size_t next = bar;  // from every '<' before `bar` the first part would end there, too
    if (text[bar] == '|' && bar > at + 1) {
      const size_t end = text.find_first_of(">\n", bar + 1);
      if (end == std::string_view::npos) break;
      if (text[end] == '>' && end > bar + 1) {
        found.push_back({at, end + 1});
        next = end + 1;
      } else {
        next = end;  // the same holds for every '<' before `end`
      }
    }
    at = text.find('<', next);
  }
  return found;
}

std::vector<Match> find_contractions(std::string_view text) {
  static constexpr std::string_view kWords[] = {"what", "where", "who", "which", "how",
                                                "here", "it",    "he",  "that",  "this"};
  std::vector<Match> found;
  for (size_t at = text.find('\''); at < text.size(); at = text.find('\'', at + 1)) {
    if (at + 1 >= text.size() || lower(text[at + 1]) != 's') continue;
    const bool ends_with_word =
        std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view word) {
          return at >= word.size() &&
                 std::equal(word.begin(), word.end(), text.begin() + (at - word.size()),
                            [](char a, char b) { return a == lower(b); });
        });
    if (ends_with_word) found.push_back({at, at + 2});
  }
  return found;
}

std::vector<Match> find_hyphenated(std::string_view text) {
  std::vector<Match> found;
  size_t free_from = 0;  // end of the last match
  for (size_t hyphen = text.find('-'); hyphen < text.size();) {
    size_t begin = hyphen;
    while (begin > free_from && is_word_character(text[begin - 1])) --begin;
    while (begin < hyphen && !is_ascii_letter(static_cast<unsigned char>(text[begin]))) ++begin;
    size_t end = hyphen;
    while (begin < hyphen && end < text.size() && text[end] == '-') {
      const size_t word_end = skip_word(text, end + 1);
      if (word_end == end + 1) break;
      end = word_end;
    }
    if (end > hyphen) {
      found.push_back({begin, end});
      free_from = end;
    }
    hyphen = text.find('-', std::max(end, hyphen + 1));
  }
  return found;
}

std::vector<Match> find_pinyin(std::string_view text) {
  std::vector<Match> found;
  size_t free_from = 0;
  for (size_t tone = text.find_first_of("12345"); tone < text.size();
       tone = text.find_first_of("12345", tone + 1)) {
    const size_t begin = syllable_start(text, free_from, tone);
    if (begin == tone) continue;
    found.push_back({begin, tone + 1});
    free_from = tone + 1;
  }
  return found;
}

std::vector<Match> find_names(std::string_view text) {
  std::vector<Match> found;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    size_t end = skip_han(text, begin);
    if (end == begin) {
      next_character(text, &at);
      continue;
    }
    int parts = 1;
    while (parts < 3 && end < text.size()) {
      size_t after = end;
      const char32_t joint = next_character(text, &after);
      const size_t part_end = skip_han(text, after);
      if ((joint != '-' && joint != 0xB7 && joint != 0x2014) || part_end == after) break;
      end = part_end;
      ++parts;
    }
    if (parts > 1) found.push_back({begin, end});
    at = end;
  }
  return found;
}

bool is_email(std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const size_t at_sign = skip_word(text, 0);
  if (at_sign == 0 || at_sign == text.size() || text[at_sign] != '@') return false;
  const size_t dot = skip_word(text, at_sign + 1);
  if (dot == at_sign + 1 || dot + 1 >= text.size() || text[dot] != '.') return false;
  return std::all_of(text.begin() + static_cast<long>(dot) + 1, text.end(),
                     [](char c) { return is_ascii_letter(static_cast<unsigned char>(c)); });
}

}  // namespace indextts2
