// Cuts a long text into pieces: how good a place is for a cut, and the search for the best one.
#include "text/piece_cutter.h"

#include <algorithm>

#include "text/utf8.h"

namespace indextts2 {
namespace {

// How sure it is that the grammar treats both sides of a cut on their own.
enum class Cut { kNone, kCharacter, kWord, kClause, kLine, kSentence };

bool is_one_of(char32_t character, std::u32string_view set) {
  return character != 0 && set.find(character) != std::u32string_view::npos;
}

// "went." ends a sentence; "Dr.", "p.m.", "pp.", "3." may not.
bool ends_with_plain_word(std::string_view text) {
  int letters = 0;
  size_t at = text.size();
  while (at > 0 && text[at - 1] >= 'a' && text[at - 1] <= 'z') {
    --at;
    ++letters;
  }
  const char32_t before = previous_character(text, at);
  return letters >= 3 && (before == 0 || is_space(before));
}

// What ends with the last character of `text`, closing quotes and brackets left out.
Cut end_of(std::string_view text) {
  while (is_one_of(previous_character(text, text.size()), U"\"')]}”’」』）》】")) {
    text = text.substr(0, character_start(text, text.size() - 1));
  }
  const char32_t mark = previous_character(text, text.size());
  if (is_one_of(mark, U"。！？!?")) return Cut::kSentence;
  if (is_one_of(mark, U"，；：、,;:…")) return Cut::kClause;
  if (mark != '.') return Cut::kWord;
  return ends_with_plain_word(text.substr(0, text.size() - 1)) ? Cut::kSentence : Cut::kClause;
}

bool starts_sentence(std::string_view text) {
  size_t at = 0;
  char32_t first = 0;
  while (at < text.size() && is_one_of(first = next_character(text, &at), U"\"'([{“‘「『（《【")) {
  }
  return is_cjk(first) || first >= 0x80 || (first >= 'A' && first <= 'Z');
}

// How good a cut before the character at `at` is.
Cut cut_at(std::string_view text, size_t begin, size_t at) {
  size_t after = at;
  const char32_t next = next_character(text, &after);
  if (is_space(next)) return Cut::kNone;  // white space belongs to the piece before
  const char32_t previous = previous_character(text, at);
  const std::string_view piece = text.substr(begin, at - begin);
  const std::string_view spoken = strip_end(piece);
  if (spoken.size() == piece.size() && !is_cjk(next)) {
    // The tokenizer would join both sides to one word, unless a CJK character stands there.
    return is_cjk(previous) && !is_one_of(next, U".,!?;:'\"") ? Cut::kCharacter : Cut::kNone;
  }
  const Cut end = end_of(spoken);
  if (end == Cut::kSentence && starts_sentence(text.substr(at))) return Cut::kSentence;
  if (piece.find('\n', spoken.size()) != std::string_view::npos) return Cut::kLine;
  if (end == Cut::kSentence || end == Cut::kClause) return Cut::kClause;
  return spoken.size() < piece.size() ? Cut::kWord : Cut::kCharacter;
}

}  // namespace

size_t piece_end(std::string_view text, size_t begin, const Glossary& glossary) {
  if (text.size() - begin <= kPieceBytes || (begin == 0 && text.size() <= kWholeBytes)) {
    return text.size();
  }
  const size_t limit =
      text.size() - begin <= kWholeBytes ? text.size() : character_start(text, begin + kWholeBytes);
  size_t best = limit;  // inside a word, when there is nothing better
  Cut best_cut = limit == text.size() ? Cut::kSentence : Cut::kNone;
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

}  // namespace indextts2
