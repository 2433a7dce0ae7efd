// The files of a byte-level BPE tokenizer: reading, and checking that they are of the known kind.
#include "text/bpe_vocabulary.h"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>
#include <unordered_set>

#include "core/error.h"
#include "text/tokenizer_files.h"
#include "text/utf8.h"
#include "text/word_split.h"

namespace indextts2 {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int32_t kMaxId = 1 << 24;

// Bytes are written as characters that can be seen: those of Latin-1 as themselves, the others from
// U+0100 on. The byte of a character; -1: none.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    bytes_.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool seen = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      bytes_[seen ? static_cast<char32_t>(byte) : next++] = byte;
    }
  }

  // The bytes that `token` stands for; nothing if it has a character that stands for none.
  std::optional<std::string> bytes_of(std::string_view token) const {
    std::string bytes;
    for (size_t at = 0; at < token.size();) {
      const char32_t character = next_character(token, &at);
      if (character >= bytes_.size() || bytes_[character] < 0) return {};
      bytes += static_cast<char>(bytes_[character]);
    }
    return bytes;
  }

 private:
  std::array<int, 0x100 + 68> bytes_;
};

int32_t read_id(const std::string& where, const json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMaxId) {
    refuse_tokenizer(ErrorCode::kOpenRead, where, "an id from 0 to " + std::to_string(kMaxId),
                     shown_json(value));
  }
  return value.get<int32_t>();
}

// Gathers what the files hold; `where` names the place in a message.
class VocabularyBuilder {
 public:
  explicit VocabularyBuilder(const fs::path& source) { vocabulary_.source = source.string(); }

  void add_token(const std::string& where, const json& entry, int32_t id) {
    if (!entry.is_object())
      refuse_tokenizer(ErrorCode::kOpenRead, where, "an object", shown_json(entry));
    const auto flag = [&](const char* name) {
      const json value = entry.value(name, json(false));
      if (!value.is_boolean()) {
        refuse_tokenizer(ErrorCode::kOpenRead, where + ", " + name, "true or false",
                         shown_json(value));
      }
      return value.get<bool>();
    };
    const json content = entry.value("content", json());
    if (!content.is_string() || content.get_ref<const std::string&>().empty()) {
      refuse_tokenizer(ErrorCode::kOpenRead, where + ", content", "a text", shown_json(content));
    }
    for (const char* name : {"lstrip", "rstrip", "single_word"}) {
      if (flag(name)) refuse_tokenizer(ErrorCode::kModel, where + ", " + name, "false", "true");
    }
    added_.insert(content.get<std::string>());
    vocabulary_.added.push_back(
        {content.get<std::string>(), id, flag("special"), flag("normalized")});
  }

  // Behind all calls of add_token.
  void read_ids(const std::string& where, const json& ids) {
    if (!ids.is_object()) {
      refuse_tokenizer(ErrorCode::kOpenRead, where, "an object of tokens and ids", shown_json(ids));
    }
    for (const auto& item : ids.items()) {
      const std::string place = where + ", token " + shown_json(item.key());
      const int32_t id = read_id(place, item.value());
      if (added_.count(item.key())) continue;
      vocabulary_.ids.emplace(bytes_of(place, item.key()), id);
    }
  }

  void read_merge(const std::string& where, const std::string& line) {
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      refuse_tokenizer(ErrorCode::kOpenRead, where, "two tokens with one space between",
                       shown_json(line));
    }
    read_merge(where, line.substr(0, space), line.substr(space + 1));
  }

  void read_merge(const std::string& where, const std::string& left, const std::string& right) {
    std::string bytes = bytes_of(where, left);
    vocabulary_.merges.emplace_back(std::move(bytes), bytes_of(where, right));
  }

  BpeVocabulary take() { return std::move(vocabulary_); }

 private:
  std::string bytes_of(const std::string& where, const std::string& token) const {
    std::optional<std::string> bytes = alphabet_.bytes_of(token);
    if (!bytes || bytes->empty()) {
      refuse_tokenizer(ErrorCode::kOpenRead, where, "a token whose characters stand for bytes",
                       shown_json(token));
    }
    return std::move(*bytes);
  }

  ByteAlphabet alphabet_;
  std::unordered_set<std::string> added_;
  BpeVocabulary vocabulary_;
};

// Refuses a tokenizer.json that asks for more than this tokenizer does.
void check_kind(const std::string& path, const json& root) {
  const auto expect = [&](const char* pointer, const json& expected, bool or_absent) {
    const json::json_pointer place(pointer);
    const json got = root.contains(place) ? root.at(place) : json();
    if (got == expected || (or_absent && (got.is_null() || got == ""))) return;
    refuse_tokenizer(ErrorCode::kModel, path + ", " + pointer, shown_json(expected),
                     shown_json(got));
  };
  expect("/model/type", "BPE", false);
  expect("/normalizer/type", "NFC", false);
  expect("/pre_tokenizer/type", "Sequence", false);
  expect("/pre_tokenizer/pretokenizers/0/type", "Split", false);
  expect("/pre_tokenizer/pretokenizers/0/pattern/Regex", kWordPattern, false);
  expect("/pre_tokenizer/pretokenizers/0/behavior", "Isolated", false);
  expect("/pre_tokenizer/pretokenizers/0/invert", false, true);
  expect("/pre_tokenizer/pretokenizers/1/type", "ByteLevel", false);
  expect("/pre_tokenizer/pretokenizers/1/add_prefix_space", false, false);
  expect("/pre_tokenizer/pretokenizers/1/use_regex", false, false);
  expect("/pre_tokenizer/pretokenizers/2", json(), false);
  expect("/decoder/type", "ByteLevel", false);
  for (const char* option : {"/model/dropout", "/model/unk_token",
                             "/model/continuing_subword_prefix", "/model/end_of_word_suffix"}) {
    expect(option, json(), true);
  }
  for (const char* option : {"/model/byte_fallback", "/model/ignore_merges", "/model/fuse_unk"}) {
    expect(option, false, true);
  }
}

BpeVocabulary read_tokenizer_json(const fs::path& path) {
  const std::string name = path.string();
  const json root = read_tokenizer_object(path);
  check_kind(name, root);
  VocabularyBuilder builder(path);
  const json added = root.value("added_tokens", json::array());
  if (!added.is_array()) {
    refuse_tokenizer(ErrorCode::kOpenRead, name + ", added_tokens", "a list", shown_json(added));
  }
  for (size_t k = 0; k < added.size(); ++k) {
    const std::string where = name + ", added_tokens, entry " + std::to_string(k);
    if (!added[k].is_object())
      refuse_tokenizer(ErrorCode::kOpenRead, where, "an object", shown_json(added[k]));
    builder.add_token(where, added[k], read_id(where + ", id", added[k].value("id", json())));
  }
  const json& model = root.at("model");
  builder.read_ids(name + ", model, vocab", model.value("vocab", json()));
  const json merges = model.value("merges", json());
  if (!merges.is_array()) {
    refuse_tokenizer(ErrorCode::kOpenRead, name + ", model, merges", "a list", shown_json(merges));
  }
  for (size_t k = 0; k < merges.size(); ++k) {
    const std::string where = name + ", model, merges, entry " + std::to_string(k);
    const json& merge = merges[k];
    if (merge.is_string()) {
      builder.read_merge(where, merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      builder.read_merge(where, merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      refuse_tokenizer(ErrorCode::kOpenRead, where, "two tokens", shown_json(merge));
    }
  }
  return builder.take();
}

void read_added_tokens(const fs::path& path, VocabularyBuilder* builder) {
  if (!fs::exists(path)) return;
  const json root = read_tokenizer_object(path);
  const json added = root.value("added_tokens_decoder", json::object());
  const std::string name = path.string() + ", added_tokens_decoder";
  if (!added.is_object())
    refuse_tokenizer(ErrorCode::kOpenRead, name, "an object", shown_json(added));
  for (const auto& item : added.items()) {
    const std::string where = name + ", " + shown_json(item.key());
    const json id = json::parse(item.key(), nullptr, false);
    builder->add_token(where, item.value(),
                       read_id(where, id.is_discarded() ? json(item.key()) : id));
  }
}

void read_merges(const fs::path& path, VocabularyBuilder* builder) {
  const std::string text = read_tokenizer_text(path);
  try {
    check_utf8(text);
  } catch (const Error& error) {
    throw Error(ErrorCode::kOpenRead,
                "tokenizer " + path.string() + ": expected UTF-8; copy the file anew",
                error.what());
  }
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.rfind("#version", 0) == 0) continue;
    builder->read_merge(path.string() + ", line " + std::to_string(number), line);
  }
}

}  // namespace

BpeVocabulary read_bpe_vocabulary(const std::string& folder) {
  const fs::path root(folder);
  if (fs::exists(root / "tokenizer.json")) return read_tokenizer_json(root / "tokenizer.json");
  const fs::path path = root / "vocab.json";
  VocabularyBuilder builder(path);
  const json ids = read_tokenizer_object(path);
  read_added_tokens(root / "tokenizer_config.json", &builder);
  builder.read_ids(path.string(), ids);
  read_merges(root / "merges.txt", &builder);
  return builder.take();
}

}  // namespace indextts2
