// Normalises a text piece by piece, lazily, with the result of the whole text.
//
// Note [Pieces]: time and memory of a grammar grow with the text, so only texts up to kWholeBytes
// are normalised at once. Longer ones are cut behind sentences or lines. The results, put together,
// are those of the whole text:
// - A cut is made only where the grammar treats both sides on their own: behind a sentence where
// there is one, never inside
//   a term of the glossary. Without sentences, lines, clauses, words and at last single characters
//   are tried.
// - In English, white space between sentences is kept or dropped by rules that look at both sides,
// and a quotation mark at
//   the very start gets a space. So a piece is read behind a stand-in for the text before: a word
//   with the same marks.
// - Costs go on from piece to piece, Note [Costs so far], in texts up to kExactBytes. In longer
// ones each piece starts
//   anew: rounding would grow with the text and spoil numbers, and the reference cannot read such
//   texts at all.
#pragma once

#include <cstddef>
#include <string>

#include "text/normalizer.h"

namespace indextts2 {

constexpr size_t kWholeBytes = 1000;  // texts up to this size are one piece; no piece is longer
constexpr size_t kPieceBytes = 300;   // other pieces end at the first good place behind this size
constexpr size_t kExactBytes = 4096;  // texts up to this size have the costs of the whole text

// The end of the piece of `text` that starts at `begin`, in (begin, begin + kWholeBytes].
size_t piece_end(std::string_view text, size_t begin, const Glossary& glossary);

// Thread-safety: one thread. Keeps references to all that it is given.
class PieceReader {
 public:
  PieceReader(const ProtectedText& text, const Glossary& glossary, const Grammar& grammar)
      : text_(text), glossary_(glossary), grammar_(grammar) {}

  bool at_end() const { return end_ == text_.text().size(); }
  // What is spoken for the next piece; it may begin inside the last word of the piece before. Only
  // before the end.
  std::string next();
  // The piece that next() gave last, in text_.text().
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }

 private:
  const ProtectedText& text_;
  const Glossary& glossary_;
  const Grammar& grammar_;
  PieceContext context_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace indextts2
