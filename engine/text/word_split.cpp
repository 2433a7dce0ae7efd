// Words as of Qwen2's tokenizer: its pattern, alternative by alternative.
#include "text/word_split.h"

#include <utf8proc.h>

#include "text/utf8.h"

namespace indextts2 {
namespace {

enum class Kind { kLetter, kNumber, kBreak, kSpace, kOther };

Kind kind_of(char32_t character) {
  if (character == '\r' || character == '\n') return Kind::kBreak;
  // Python's white space but for the four separators of ASCII.
  if (is_space(character) && !(character >= 0x1C && character <= 0x1F)) return Kind::kSpace;
  switch (utf8proc_category(static_cast<int>(character))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Kind::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::kNumber;
    default:
      return Kind::kOther;
  }
}

// The kind of the character at *at, which moves behind it; kSpace at the end, where nothing moves.
Kind next_kind(std::string_view text, size_t* at) {
  return *at < text.size() ? kind_of(next_character(text, at)) : Kind::kSpace;
}

// Behind all characters of `kind` from `at` on.
size_t skip(std::string_view text, size_t at, Kind kind) {
  for (size_t next = at; at < text.size() && next_kind(text, &next) == kind;) at = next;
  return at;
}

// The end of 's, 't, 're, 've, 'm, 'll or 'd in any letter case; `begin`: none of them.
size_t contraction_end(std::string_view text, size_t begin) {
  if (text[begin] != '\'') return begin;
  for (const std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    size_t at = begin + 1;
    size_t equal = 0;
    while (equal < ending.size() && at < text.size()) {
      const char32_t character = next_character(text, &at);
      const bool long_s = character == U'\u017F' && ending[equal] == 's';
      const bool same = character < 0x80 && static_cast<char>(character | 0x20) == ending[equal];
      if (!same && !long_s) break;
      ++equal;
    }
    if (equal == ending.size()) return at;
  }
  return begin;
}

// The end of the white space at `begin` that is a word: up to its last line break if it has one,
// else without its last character if that stands before something else.
size_t space_end(std::string_view text, size_t begin) {
  size_t at = begin, last = begin, after_break = begin;
  for (size_t next = at; at < text.size(); at = next) {
    const Kind kind = next_kind(text, &next);
    if (kind != Kind::kSpace && kind != Kind::kBreak) break;
    last = at;
    if (kind == Kind::kBreak) after_break = next;
  }
  if (after_break > begin) return after_break;
  return at == text.size() || last == begin ? at : last;
}

}  // namespace

size_t word_end(std::string_view text, size_t begin) {
  const size_t contraction = contraction_end(text, begin);
  if (contraction > begin) return contraction;
  size_t second = begin;
  const Kind first_kind = next_kind(text, &second);
  size_t third = second;
  const Kind second_kind = next_kind(text, &third);
  if (first_kind == Kind::kLetter) return skip(text, begin, Kind::kLetter);
  if (first_kind == Kind::kNumber) return second;
  if (first_kind != Kind::kBreak && second_kind == Kind::kLetter) {
    return skip(text, second, Kind::kLetter);
  }
  if (first_kind == Kind::kOther || (text[begin] == ' ' && second_kind == Kind::kOther)) {
    return skip(text, skip(text, second, Kind::kOther), Kind::kBreak);
  }
  return space_end(text, begin);
}

}  // namespace indextts2
