// Cuts a long text into pieces that are normalised one by one.
//
// Cost and memory of a grammar grow faster than the text, so only texts up to kWholeBytes are
// normalised as a whole. A cut is made where the result stays that of the whole text: behind a
// sentence or a line, never inside a term of the glossary, and only where the tokenizer would start
// a new word anyway.
#pragma once

#include <cstddef>
#include <string_view>

#include "text/glossary.h"

namespace indextts2 {

constexpr size_t kWholeBytes = 1000;  // texts up to this size are one piece; no piece is longer
constexpr size_t kPieceBytes = 300;   // pieces end at the first good place behind this size

// The end of the piece of `text` that starts at `begin`, in (begin, begin + kWholeBytes].
size_t piece_end(std::string_view text, size_t begin, const Glossary& glossary);

}  // namespace indextts2
