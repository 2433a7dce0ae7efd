// Normalisation: how a text is spoken, as text. "It's $5" -> "It is five dollars".
// Follows index-tts ee40fa7, indextts/utils/front.py, TextNormalizer.
//
// Note [Whole text, pieces]: what concerns the whole text (the author's pronunciations, the
// language) is found once by ProtectedText; normalize_piece then works on parts of it one by one,
// so a book costs no more memory than a page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/glossary.h"
#include "text/grammar.h"

namespace indextts2 {

// A text whose pronunciations <字|ZI4> are replaced by words of letters, which no grammar changes,
// and its language. Immutable. Thread-safety: const.
class ProtectedText {
 public:
  explicit ProtectedText(std::string source);

  const std::string& text() const { return text_; }
  Language language() const { return language_; }
  size_t source_size() const { return source_size_; }

  // The source offset of an offset of text(): the start of a pronunciation for all places inside
  // its word.
  size_t source_offset(size_t at) const;
  // Puts the pronunciations back in.
  std::string restore(std::string_view normalized) const;

 private:
  struct Annotation {
    std::string original;  // as the author wrote it
    size_t begin, end;     // of its word in text_
    size_t source_end;     // of `original` in the source
  };
  std::vector<Annotation> annotations_;
  std::string text_;
  size_t source_size_;
  Language language_;
};

// Chinese when there is a Chinese character or no Latin letter, for an e-mail address alone, and
// for pinyin with tones.
Language choose_language(std::string_view text);

// What a piece inherits from the text before it.
struct PieceContext {
  std::string before;  // stands in for the text before, up to the piece: a word, its marks, white
                       // space; may be empty
  PathCosts costs;     // Note [Costs so far]; those of the piece are added
};

// `piece` of a protected text with the terms of the glossary replaced, protected words left alone.
std::string apply_glossary(std::string_view piece, const Glossary& glossary, Language language);

// What is spoken for `piece`, a part of whole.text(), as text; a piece that the grammar cannot read
// gives "" in Chinese and itself in English, as in the reference. With `context` the result begins
// with the space, if any, that divides it from what is spoken before; only English looks at
// context->before.
std::string normalize_piece(const ProtectedText& whole, std::string_view piece,
                            const Glossary& glossary, const Grammar& grammar,
                            PieceContext* context = nullptr);

// The steps around the grammar, for tests.
std::string expand_contractions(std::string_view text);  // it's -> it is
std::string correct_pinyin(std::string_view syllable);   // ju4 -> JV4
std::string map_characters(std::string_view text,
                           Language language);  // punctuation to the few marks of the model

}  // namespace indextts2
