// The glossary: how terms are to be read, applied before all other normalisation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/grammar.h"

namespace indextts2 {

// Immutable after construction. Thread-safety: const.
class Glossary {
 public:
  struct Term {
    std::string term;
    std::string chinese, english;  // how to read it; a language that was not given repeats the term
  };

  Glossary() = default;
  // Keeps the given order among terms of equal length. Throws Error{kSettings} on an empty term.
  explicit Glossary(std::vector<Term> terms);

  bool empty() const { return entries_.empty(); }

  // `text` with the terms replaced, longest term first, letter case ignored. A term may match in
  // what a longer one was replaced by. Replacements are literal.
  std::string apply(std::string_view text, Language language) const;

  // Whether a term of `text` lies across the offset `at`.
  bool spans(std::string_view text, size_t at) const;

 private:
  struct Entry {
    std::u32string folded;  // the term in lower case
    size_t longest_bytes;   // of any text that it matches
    std::string chinese, english;
  };
  std::vector<Entry> entries_;  // longest first
};

// Reads a YAML file {term: reading} or {term: {zh: reading, en: reading}}.
// Throws Error{kNotFound, kOpenRead} that names file, line and what was expected.
Glossary load_glossary(const std::string& path);

}  // namespace indextts2
