// A byte-level BPE tokenizer: added tokens, normalisation, merges by a queue, decoding.
#include "text/byte_bpe.h"

#include <utf8proc.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <queue>
#include <tuple>

#include "core/error.h"
#include "text/utf8.h"
#include "text/word_split.h"

namespace indextts2 {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

[[noreturn]] void refuse(const std::string& source, const std::string& what) {
  throw Error(ErrorCode::kModel, "tokenizer " + source + ": " + what + "; copy the folder anew");
}

// Bytes for a message: what is no visible ASCII as \xNN.
std::string shown(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    char text[8];
    const auto byte = static_cast<unsigned char>(c);
    std::snprintf(text, sizeof text, byte >= 0x20 && byte < 0x7F ? "%c" : "\\x%02X", byte);
    out += text;
  }
  return out + '"';
}

std::string to_nfc(std::string_view text) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t size =
      utf8proc_map(bytes, static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) {
    throw Error(size == UTF8PROC_ERROR_NOMEM ? ErrorCode::kNoMemory : ErrorCode::kInternal,
                "text: Unicode normalisation failed", utf8proc_errmsg(size));
  }
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, std::free);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
}

// Calls `token` for each added token of `text` that is looked for where `normalized` says, the
// first and then longest ones, and `between` for what lies between.
template <typename Between, typename Found>
void for_each_part(std::string_view text, const std::vector<AddedToken>& added, bool normalized,
                   const Between& between, const Found& token) {
  size_t begin = 0, at = 0;
  while (at < text.size()) {
    const AddedToken* best = nullptr;
    for (const AddedToken& one : added) {
      if (one.normalized != normalized || text.compare(at, one.content.size(), one.content) != 0) {
        continue;
      }
      if (!best || one.content.size() > best->content.size()) best = &one;
    }
    if (!best) {
      ++at;
      continue;
    }
    if (at > begin) between(text.substr(begin, at - begin));
    token(*best);
    begin = at += best->content.size();
  }
  if (at > begin) between(text.substr(begin));
}

}  // namespace

ByteBpe::ByteBpe(const std::string& folder) {
  const BpeVocabulary vocabulary = read_bpe_vocabulary(folder);
  for (const auto& [bytes, id] : vocabulary.ids) add_token(vocabulary.source, id, bytes, false);
  for (const AddedToken& added : vocabulary.added) {
    add_token(vocabulary.source, added.id, added.content, added.special);
    added_.push_back(added);
    if (added.normalized) added_.back().content = to_nfc(added.content);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    const auto found = vocabulary.ids.find(bytes);
    if (found == vocabulary.ids.end()) {
      refuse(vocabulary.source, "expected a token for each byte, got none for " + shown(bytes));
    }
    byte_ids_[byte] = found->second;
  }
  add_merges(vocabulary);
}

void ByteBpe::add_token(const std::string& source, int32_t id, const std::string& bytes,
                        bool special) {
  const auto [found, added] = tokens_.emplace(id, Token{bytes, special});
  if (added) return;
  refuse(source, "expected one token for id " + std::to_string(id) + ", got " +
                     shown(found->second.bytes) + " and " + shown(bytes));
}

void ByteBpe::add_merges(const BpeVocabulary& vocabulary) {
  const auto id_of = [&](const std::string& bytes, int32_t rank) {
    const auto found = vocabulary.ids.find(bytes);
    if (found == vocabulary.ids.end()) {
      refuse(vocabulary.source, "merge " + std::to_string(rank + 1) + ": expected a token " +
                                    shown(bytes) + ", got none");
    }
    return found->second;
  };
  int32_t rank = 0;
  for (const auto& [left, right] : vocabulary.merges) {
    const Merge merge{rank, id_of(left + right, rank)};
    merges_[pair_key(id_of(left, rank), id_of(right, rank))] = merge;
    ++rank;
  }
}

std::vector<int32_t> ByteBpe::encode(std::string_view text) const {
  check_utf8(text);
  std::vector<int32_t> ids;
  const auto token = [&](const AddedToken& added) { ids.push_back(added.id); };
  const auto words = [&](std::string_view part) { encode_normalized(part, &ids); };
  const auto normalize = [&](std::string_view part) {
    for_each_part(to_nfc(part), added_, true, words, token);
  };
  for_each_part(text, added_, false, normalize, token);
  return ids;
}

void ByteBpe::encode_normalized(std::string_view text, std::vector<int32_t>* ids) const {
  for (size_t at = 0; at < text.size();) {
    const size_t end = word_end(text, at);
    encode_word(text.substr(at, end - at), ids);
    at = end;
  }
}

// Joins the pair of the lowest rank, the first of them, until none is left. A queue holds the pairs
// there are; those whose sides have been joined otherwise meanwhile are passed over.
void ByteBpe::encode_word(std::string_view word, std::vector<int32_t>* ids) const {
  struct Part {
    int32_t id;  // -1: joined to an earlier one
    int previous, next;
  };
  const int size = static_cast<int>(word.size());
  std::vector<Part> parts;
  for (int k = 0; k < size; ++k) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(word[k])];
    parts.push_back({id, k - 1, k + 1 < size ? k + 1 : -1});
  }
  using Pair = std::tuple<int32_t, int, uint64_t>;  // rank, left part, ids
  std::priority_queue<Pair, std::vector<Pair>, std::greater<Pair>> queue;
  const auto push = [&](int left) {
    if (left < 0 || parts[left].next < 0) return;
    const uint64_t key = pair_key(parts[left].id, parts[parts[left].next].id);
    const auto found = merges_.find(key);
    if (found != merges_.end()) queue.emplace(found->second.rank, left, key);
  };
  for (int k = 0; k < size; ++k) push(k);
  while (!queue.empty()) {
    const auto [rank, left, key] = queue.top();
    queue.pop();
    const int right = parts[left].next;
    if (parts[left].id < 0 || right < 0 || pair_key(parts[left].id, parts[right].id) != key) {
      continue;
    }
    parts[left].id = merges_.at(key).id;
    parts[left].next = parts[right].next;
    parts[right].id = -1;
    if (parts[left].next >= 0) parts[parts[left].next].previous = left;
    push(parts[left].previous);
    push(left);
  }
  for (const Part& part : parts) {
    if (part.id >= 0) ids->push_back(part.id);
  }
}

std::string ByteBpe::decode(const std::vector<int32_t>& ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const auto found = tokens_.find(id);
    if (found == tokens_.end() || (skip_special && found->second.special)) continue;
    bytes += found->second.bytes;
  }
  return replace_invalid_utf8(bytes);
}

std::optional<int32_t> ByteBpe::added_id(std::string_view content) const {
  for (const AddedToken& added : added_) {
    if (added.content == content) return added.id;
  }
  return {};
}

}  // namespace indextts2
