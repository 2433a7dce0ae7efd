// A byte-level BPE tokenizer as of Qwen2 and Qwen3: text to token ids and back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/bpe_vocabulary.h"

namespace indextts2 {

// Immutable. Thread-safety: safe.
class ByteBpe {
 public:
  // Reads the files of `folder`: see read_bpe_vocabulary, with its errors. Throws Error{kModel} if
  // a byte has no token, a merge joins or makes what is no token, or two tokens share an id.
  explicit ByteBpe(const std::string& folder);

  // The ids of `text`: contents of added tokens are those tokens, what lies between is put into
  // NFC of Unicode 14, cut into words (text/word_split.h) and merged. Nothing is put around it.
  // Throws Error{kTextDecode} if `text` is not UTF-8.
  std::vector<int32_t> encode(std::string_view text) const;

  // The text of `ids`, special tokens left out if `skip_special`. Ids without a token give nothing;
  // bytes that are no UTF-8 give U+FFFD, one for each longest start of a character.
  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const;

  // The id of an added token, as "<|endoftext|>"; nothing: no such token.
  std::optional<int32_t> added_id(std::string_view content) const;

 private:
  struct Merge {
    int32_t rank, id;  // order among all merges; the token that it makes
  };
  struct Token {
    std::string bytes;
    bool special = false;
  };
  void add_token(const std::string& source, int32_t id, const std::string& bytes, bool special);
  void add_merges(const BpeVocabulary& vocabulary);
  void encode_normalized(std::string_view text, std::vector<int32_t>* ids) const;
  void encode_word(std::string_view word, std::vector<int32_t>* ids) const;

  std::vector<AddedToken> added_;
  std::unordered_map<int32_t, Token> tokens_;
  std::unordered_map<uint64_t, Merge> merges_;  // by both ids
  int32_t byte_ids_[256];
};

}  // namespace indextts2
