// Tests of the byte-level BPE tokenizer: recorded cases of the package tokenizers, a vocabulary
// made by hand, both forms of files, and files that are damaged or of another kind.
#include "text/byte_bpe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;
namespace fs = std::filesystem;

const std::string kGolden = GOLDEN_DIR "/reference/byte_bpe";

void compare_with_recorded(const ByteBpe& tokenizer) {
  std::ifstream stream(kGolden + "/cases.jsonl");
  ASSERT_TRUE(stream);
  int encoded = 0, decoded = 0;
  for (std::string line; std::getline(stream, line);) {
    const json entry = json::parse(line);
    const Ids ids = entry.at("ids");
    if (entry.contains("text")) {
      ++encoded;
      EXPECT_EQ(tokenizer.encode(entry.at("text").get<std::string>()), ids) << line;
    } else {
      ++decoded;
      EXPECT_EQ(tokenizer.decode(ids, true), entry.at("plain").get<std::string>()) << line;
      EXPECT_EQ(tokenizer.decode(ids, false), entry.at("all").get<std::string>()) << line;
    }
  }
  EXPECT_GE(encoded, 200);
  EXPECT_GE(decoded, 100);
}

std::string fresh_folder(const std::string& name) {
  const fs::path folder = fs::path(testing::TempDir()) / ("byte_bpe_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

json read_golden() { return json::parse(std::ifstream(kGolden + "/tokenizer.json")); }

// The character that stands for a byte.
std::string visible(int byte) {
  int hidden = 0;
  const auto seen = [](int b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD); };
  for (int b = 0; b < byte; ++b) hidden += !seen(b);
  std::string text;
  append_character(&text, seen(byte) ? byte : 0x100 + hidden);
  return text;
}

// Ids of bytes are the bytes; then "ab", "bc", "abc", " a".
json small_vocabulary() {
  json ids = json::object();
  for (int byte = 0; byte < 256; ++byte) ids[visible(byte)] = byte;
  ids["ab"] = 256;
  ids["bc"] = 257;
  ids["abc"] = 258;
  ids["Ġa"] = 259;
  return ids;
}

constexpr const char* kSmallMerges = "#version: 0.2\nb c\na b\na bc\nĠ a\n";

std::string write_small(const std::string& name, const json& ids = small_vocabulary(),
                        const std::string& merges = kSmallMerges) {
  const std::string folder = fresh_folder(name);
  write(folder + "/vocab.json", ids.dump());
  write(folder + "/merges.txt", merges);
  return folder;
}

void expect_error(ErrorCode code, const std::string& folder,
                  const std::vector<std::string>& parts) {
  try {
    const ByteBpe tokenizer(folder);
    ADD_FAILURE() << folder << " was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, code) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "\"" << part << "\" in: " << error.what();
    }
  }
}

// The golden tokenizer.json with the value at `pointer` replaced.
void expect_refused(ErrorCode code, const std::string& pointer, const json& value,
                    const std::vector<std::string>& parts) {
  json root = read_golden();
  root[json::json_pointer(pointer)] = value;
  const std::string folder = fresh_folder("changed");
  write(folder + "/tokenizer.json", root.dump());
  expect_error(code, folder, parts);
}

TEST(ByteBpe, EqualsTheRecordedCases) { compare_with_recorded(ByteBpe(kGolden)); }

TEST(ByteBpe, ReadsBothFormsAlike) {
  const json root = read_golden();
  const std::string folder = fresh_folder("split");
  write(folder + "/vocab.json", root.at("model").at("vocab").dump());
  std::string merges = "#version: 0.2\r\n";
  json joined = root;
  for (json& merge : joined["model"]["merges"]) {
    merge = merge.is_string()
                ? merge
                : json(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    merges += merge.get<std::string>() + "\r\n";
  }
  write(folder + "/merges.txt", merges);
  json added = json::object();
  for (const json& token : root.at("added_tokens")) added[token.at("id").dump()] = token;
  write(folder + "/tokenizer_config.json", json{{"added_tokens_decoder", added}}.dump());
  compare_with_recorded(ByteBpe(folder));
  const std::string older = fresh_folder("older");
  write(older + "/tokenizer.json", joined.dump());
  compare_with_recorded(ByteBpe(older));
}

TEST(ByteBpe, MergesTheLowestRankFirst) {
  const ByteBpe tokenizer(write_small("small"));
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{258}));
  EXPECT_EQ(tokenizer.encode("ab"), (Ids{256}));
  EXPECT_EQ(tokenizer.encode("abab abc"), (Ids{256, 256, ' ', 258}));
  EXPECT_EQ(tokenizer.encode("a ab a"), (Ids{'a', ' ', 256, 259}));
  EXPECT_EQ(tokenizer.encode("é"), (Ids{0xC3, 0xA9}));
  EXPECT_EQ(tokenizer.decode({259, 256, 300, -1, 0xE5, 0xA5}, true), " aab\uFFFD");
  EXPECT_FALSE(tokenizer.added_id("<|endoftext|>"));
  EXPECT_THROW(tokenizer.encode("\xFF"), Error);
}

TEST(ByteBpe, FindsAddedTokens) {
  const ByteBpe tokenizer(kGolden);
  EXPECT_EQ(tokenizer.added_id("</think>"), 904);
  EXPECT_EQ(tokenizer.added_id("<|endoftext|>"), 900);
  EXPECT_EQ(tokenizer.decode({900, 904}, true), "</think>");
}

TEST(ByteBpe, LongWordsTakeLittleTime) {
  const ByteBpe tokenizer(write_small("small"));
  std::string text;
  for (int k = 0; k < 200000; ++k) text += "abc";
  EXPECT_EQ(tokenizer.encode(text), Ids(200000, 258));
}

TEST(ByteBpe, RefusesMissingAndDamagedFiles) {
  expect_error(ErrorCode::kNotFound, fresh_folder("empty"), {"vocab.json does not exist"});
  const std::string folder = write_small("damaged");
  fs::remove(folder + "/merges.txt");
  expect_error(ErrorCode::kNotFound, folder, {"merges.txt does not exist"});
  write(folder + "/vocab.json", small_vocabulary().dump().substr(0, 100));
  expect_error(ErrorCode::kOpenRead, folder, {"vocab.json", "expected JSON"});
  write(folder + "/vocab.json", "[1]");
  expect_error(ErrorCode::kOpenRead, folder, {"vocab.json", "JSON object", "[1]"});
  for (const auto& [line, got] : {std::pair<const char*, const char*>{"ab", "\"ab\""},
                                  {"a b c", "\"a b c\""},
                                  {" b", "\"\""},
                                  {"a 好", "\\u597d"}}) {
    expect_error(ErrorCode::kOpenRead,
                 write_small("damaged", small_vocabulary(), std::string("a b\n") + line),
                 {"merges.txt, line 2: expected", got});
  }
  expect_error(ErrorCode::kOpenRead, write_small("damaged", small_vocabulary(), "a \xFF\n"),
               {"merges.txt", "UTF-8"});
}

TEST(ByteBpe, RefusesVocabulariesThatDoNotFit) {
  json ids = small_vocabulary();
  ids.erase("x");
  expect_error(ErrorCode::kModel, write_small("unfit", ids), {"vocab.json", "none for \"x\""});
  ids = small_vocabulary();
  ids["xy"] = 258;
  expect_error(ErrorCode::kModel, write_small("unfit", ids), {"id 258", "\"xy\"", "\"abc\""});
  ids["xy"] = -1;
  expect_error(ErrorCode::kOpenRead, write_small("unfit", ids), {"token \"xy\"", "an id", "-1"});
  ids["xy"] = "7";
  expect_error(ErrorCode::kOpenRead, write_small("unfit", ids), {"token \"xy\"", "\"7\""});
  ids.erase("xy");
  ids["a b"] = 260;
  expect_error(ErrorCode::kOpenRead, write_small("unfit", ids), {"token \"a b\"", "bytes"});
  expect_error(ErrorCode::kModel, write_small("unfit", small_vocabulary(), "b c\nx y\n"),
               {"merge 2", "\"xy\""});
}

TEST(ByteBpe, RefusesOtherKindsOfTokenizers) {
  expect_refused(ErrorCode::kModel, "/model/type", "Unigram", {"/model/type", "BPE", "Unigram"});
  expect_refused(ErrorCode::kModel, "/normalizer", nullptr, {"/normalizer/type", "NFC", "null"});
  expect_refused(ErrorCode::kModel, "/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+",
                 {"Regex", "\\w+"});
  expect_refused(ErrorCode::kModel, "/model/ignore_merges", true, {"ignore_merges", "true"});
  expect_refused(ErrorCode::kModel, "/added_tokens/1/lstrip", true, {"entry 1, lstrip"});
  expect_refused(ErrorCode::kOpenRead, "/added_tokens/1/content", "", {"entry 1, content"});
  expect_refused(ErrorCode::kOpenRead, "/added_tokens/1/special", 1, {"entry 1, special"});
  expect_refused(ErrorCode::kOpenRead, "/added_tokens/1", 1, {"entry 1", "an object", "got 1"});
  expect_refused(ErrorCode::kOpenRead, "/added_tokens", 1, {"added_tokens", "a list"});
  expect_refused(ErrorCode::kOpenRead, "/model/vocab", json::array(), {"vocab", "[]"});
  expect_refused(ErrorCode::kOpenRead, "/model/merges/3", 5, {"merges, entry 3", "got 5"});
  expect_refused(ErrorCode::kModel, "/added_tokens/0/id", 5, {"one token for id 5"});
}

}  // namespace
}  // namespace indextts2
