// The files of a byte-level BPE tokenizer as of Qwen2 and Qwen3.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace indextts2 {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;     // of the model's own language: decoding may leave it out
  bool normalized = false;  // looked for behind Unicode normalisation, not before
};

struct BpeVocabulary {
  std::string source;                                       // the file, for messages
  std::unordered_map<std::string, int32_t> ids;             // by the bytes that a token stands for
  std::vector<std::pair<std::string, std::string>> merges;  // bytes of both sides, first one first
  std::vector<AddedToken> added;                            // their contents are not in `ids`
};

// Reads tokenizer.json of a folder or, where there is none, vocab.json, merges.txt and, if there,
// the added tokens of tokenizer_config.json.
// Throws Error{kNotFound} without them, Error{kOpenRead} for a damaged file and Error{kModel} for a
// tokenizer of another kind: other normalisation than NFC, another word pattern, other options.
BpeVocabulary read_bpe_vocabulary(const std::string& folder);

}  // namespace indextts2
