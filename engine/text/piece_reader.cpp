// Normalises a text piece by piece: how good a place is for a cut, the search for the best one,
// what pieces hand on.
#include "text/piece_reader.h"

#include <algorithm>

#include "text/utf8.h"

namespace indextts2 {
namespace {

constexpr std::u32string_view kClosing = U"\"')]}”’」』）》】";
constexpr std::u32string_view kOpening = U"\"'([{“‘「『（《【";
constexpr std::u32string_view kWideSentence = U"。！？";
constexpr std::u32string_view kWideClause = U"，；：、";

// How sure it is that the grammar treats both sides of a cut on their own.
enum class Cut { kNone, kCharacter, kWord, kClause, kLine, kSentence };

bool is_one_of(char32_t character, std::u32string_view set) {
  return character != 0 && set.find(character) != std::u32string_view::npos;
}

// A mark that belongs to what stands before it.
bool is_closing(char32_t character) {
  return is_one_of(character, U".!?,;:…—") || is_one_of(character, kClosing) ||
         is_one_of(character, kWideSentence) || is_one_of(character, kWideClause);
}

// A mark to the English grammar: white space beside it is kept or dropped by other rules than
// between words.
bool is_mark(char32_t character) {
  const auto between = [&](char32_t low, char32_t high) {
    return low <= character && character <= high;
  };
  return is_one_of(character, U"!\"'(),-.:;<>?\\`{}¡«¶·»¿") || between(0x2010, 0x2027) ||
         between(0x2030, 0x205E) || between(0x3001, 0x3003) || between(0x3008, 0x3011) ||
         between(0x3014, 0x301F) || between(0xFF01, 0xFF03) || between(0xFF05, 0xFF0A) ||
         between(0xFF0C, 0xFF0F) || between(0xFF1A, 0xFF1B) || character == 0xFF1F;
}

// "went." ends a sentence; "Dr.", "p.m.", "pp.", "3." may not.
bool ends_with_plain_word(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && text[at - 1] >= 'a' && text[at - 1] <= 'z') --at;
  const char32_t before = previous_character(text, at);
  return text.size() - at >= 3 && (before == 0 || is_space(before));
}

// What ends with the last character of `text`, closing quotes and brackets left out.
Cut end_of(std::string_view text) {
  while (is_one_of(previous_character(text, text.size()), kClosing)) {
    text = text.substr(0, character_start(text, text.size() - 1));
  }
  const char32_t mark = previous_character(text, text.size());
  if (is_one_of(mark, kWideSentence) || mark == '!' || mark == '?') return Cut::kSentence;
  if (is_one_of(mark, kWideClause) || is_one_of(mark, U",;:…")) return Cut::kClause;
  if (mark != '.') return Cut::kWord;
  text.remove_suffix(1);
  return ends_with_plain_word(text) || is_cjk(previous_character(text, text.size()))
             ? Cut::kSentence
             : Cut::kClause;
}

bool starts_sentence(std::string_view text) {
  char32_t first = 0;
  for (size_t at = 0; at < text.size() && is_one_of(first = next_character(text, &at), kOpening);) {
  }
  return first >= 0x80 || (first >= 'A' && first <= 'Z');
}

// How good a cut behind `text`, which ends without white space, and before the character `next` is.
Cut cut_without_space(std::string_view text, char32_t next) {
  if (is_closing(next)) return Cut::kNone;
  const char32_t previous = previous_character(text, text.size());
  if (is_ascii_digit(previous) || is_ascii_digit(next)) return Cut::kNone;
  const bool wide = is_one_of(previous, kClosing) || is_one_of(previous, kWideSentence) ||
                    is_one_of(previous, kWideClause);
  if (!wide && !is_cjk(next)) return Cut::kNone;
  const Cut end = end_of(text);
  return end == Cut::kWord ? Cut::kCharacter : end;
}

// How good a cut before the character at `at` is for the piece that starts at `begin`.
Cut cut_at(std::string_view text, size_t begin, size_t at) {
  size_t after = at;
  const char32_t next = next_character(text, &after);
  if (is_space(next)) return Cut::kNone;  // white space belongs to the piece before
  const std::string_view piece = text.substr(begin, at - begin);
  const std::string_view words = strip_end(piece);
  if (words.size() == piece.size()) return cut_without_space(words, next);
  const Cut end = end_of(words);
  if (end == Cut::kSentence && starts_sentence(text.substr(at))) return Cut::kSentence;
  if (piece.find('\n', words.size()) != std::string_view::npos) return Cut::kLine;
  return end == Cut::kWord ? Cut::kWord : Cut::kClause;
}

// Stands in for `words` and the white space behind it: a word, the marks at the end of `words`, the
// space.
std::string stand_in(std::string_view words, std::string_view space) {
  constexpr int kMostMarks = 4;
  size_t marks = words.size();
  for (int count = 0; count < kMostMarks && is_mark(previous_character(words, marks)); ++count) {
    marks = character_start(words, marks - 1);
  }
  return "then" + std::string(words.substr(marks)) + std::string(space);
}

}  // namespace

size_t piece_end(std::string_view text, size_t begin, const Glossary& glossary) {
  const size_t left = text.size() - begin;
  if (left <= (begin == 0 ? kWholeBytes : kPieceBytes)) return text.size();
  const size_t limit =
      left <= kWholeBytes ? text.size() : character_start(text, begin + kWholeBytes);
  size_t best = limit;  // inside a word, when there is nothing better
  Cut best_cut = limit == text.size() ? Cut::kLine : Cut::kNone;
  for (size_t at = character_start(text, begin + kPieceBytes); at < limit;) {
    const Cut cut = cut_at(text, begin, at);
    if (cut != Cut::kNone && cut >= best_cut && !glossary.spans(text, at)) {
      best = at;
      best_cut = cut;
      if (cut == Cut::kSentence) break;
    }
    next_character(text, &at);
  }
  return best;
}

std::string PieceReader::next() {
  const std::string& text = text_.text();
  begin_ = end_;
  end_ = piece_end(text, begin_, glossary_);
  const std::string_view piece = std::string_view(text).substr(begin_, end_ - begin_);
  if (piece.size() == text.size()) return normalize_piece(text_, piece, glossary_, grammar_);
  const bool chinese = text_.language() == Language::kChinese;
  const std::string_view words = begin_ > 0 || chinese ? strip_end(piece) : strip(piece);
  const std::string_view space = piece.substr(words.data() + words.size() - piece.data());
  std::string spoken;
  if (!words.empty()) {
    if (text.size() > kExactBytes) context_.costs = PathCosts();
    spoken = normalize_piece(text_, words, glossary_, grammar_, &context_);
  }
  if (chinese) {
    if (!at_end()) spoken += map_characters(space, Language::kChinese);
  } else if (!words.empty()) {
    context_.before = space.empty() ? "" : stand_in(words, space);
  }
  return spoken;
}

}  // namespace indextts2
