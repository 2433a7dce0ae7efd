// Words as of Qwen2's tokenizer: merges of bytes never reach beyond one.
#pragma once

#include <cstddef>
#include <string_view>

namespace indextts2 {

// The pattern that word_end() follows, as tokenizer.json writes it.
constexpr const char* kWordPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The end of the word of `text` (valid UTF-8) that starts at `begin` < text.size(): of the
// pattern's match there. Words follow each other without gaps. Thread-safety: safe.
size_t word_end(std::string_view text, size_t begin);

}  // namespace indextts2
