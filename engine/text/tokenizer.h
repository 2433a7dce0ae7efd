// Text tokens: a SentencePiece model over upper-case text whose CJK characters are words of their
// own. Follows index-tts ee40fa7, indextts/utils/front.py, TextTokenizer, and common.py,
// tokenize_by_CJK_char.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace indextts2 {

struct TextToken {
  std::string piece;  // "▁THE"; for an unknown one the characters themselves
  int32_t id = 0;
  size_t begin = 0, end = 0;  // bytes of the text that was encoded
};

// What the model encodes for a normalised text: CJK characters apart, upper case, single spaces.
std::string separate_characters(std::string_view normalized);

// Immutable. Thread-safety: safe.
class Tokenizer {
 public:
  // `path`: a SentencePiece model. Throws Error{kNotFound, kOpenRead}.
  explicit Tokenizer(const std::string& path);
  ~Tokenizer();

  // The tokens of `text` as it is; see separate_characters.
  std::vector<TextToken> encode(std::string_view text) const;

  int vocabulary_size() const;
  int32_t unknown_id() const { return unknown_id_; }
  // Whether no piece is longer than one character besides "▁", so that the tokens of a text are its
  // letters.
  bool letters_only() const { return letters_only_; }

 private:
  struct Model;
  std::unique_ptr<const Model> model_;
  int32_t unknown_id_;
  bool letters_only_;
};

}  // namespace indextts2
