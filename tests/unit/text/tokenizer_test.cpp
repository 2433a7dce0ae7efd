// Tests of the tokenizer: preparation, offsets, letters, damaged files. Golden cases cover the
// official model.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "text/front_end.h"

namespace indextts2 {
namespace {

const char* const kOfficial = GOLDEN_DIR "/reference/tiny/bpe.model";
const char* const kLetters = MODEL_DIR "/compact-en/bpe.model";

// An int32 tensor of a safetensors file.
std::vector<int32_t> read_int32(const std::string& path, const std::string& name) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_size));
  const size_t begin = header.at(name).at("data_offsets").at(0);
  const size_t end = header.at(name).at("data_offsets").at(1);
  std::vector<int32_t> values((end - begin) / sizeof(int32_t));
  std::memcpy(values.data(), bytes.data() + 8 + header_size + begin, end - begin);
  return values;
}

TEST(Tokenizer, SeparatesCharacters) {
  EXPECT_EQ(separate_characters(" 你好 world,好 "), "你 好 WORLD, 好");
  EXPECT_EQ(separate_characters("Straße\xE3\x80\x80全\n"), "STRASSE 全");
  EXPECT_EQ(separate_characters("\xE3\x80\x80"), "");
}

TEST(Tokenizer, OffsetsCoverTheText) {
  const Tokenizer tokenizer(kOfficial);
  EXPECT_FALSE(tokenizer.letters_only());
  EXPECT_EQ(tokenizer.vocabulary_size(), 12000);
  const std::string text = "HELLO 好 😀 X";
  size_t until = 0;
  int unknown = 0;
  for (const TextToken& token : tokenizer.encode(text)) {
    EXPECT_GE(token.begin, until);
    until = token.end;
    unknown += token.id == tokenizer.unknown_id();
  }
  EXPECT_EQ(until, text.size());
  EXPECT_EQ(unknown, 1);
}

TEST(Tokenizer, LettersOfTheCompactVoice) {
  const FrontEnd front(kLetters, GRAMMAR_DIR);
  EXPECT_TRUE(front.tokenizer().letters_only());
  EXPECT_EQ(front.tokenizer().vocabulary_size(), 37);
  FrontOptions options;
  options.max_segment_tokens = 160;
  const auto reader = front.open("The bus to Oakland leaves at 7:15, and it costs $3.", options);
  Segment segment;
  ASSERT_TRUE(reader->next(&segment, StopToken()));
  EXPECT_EQ(segment.ids,
            read_int32(GOLDEN_DIR "/compact/chain_compact_numbers.safetensors", "tokens_0"));
  EXPECT_TRUE(segment.last);
}

TEST(Tokenizer, RefusesMissingAndDamagedFiles) {
  const auto code_of = [](const std::string& path) {
    try {
      const Tokenizer tokenizer(path);
    } catch (const Error& error) {
      return error.code;
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code_of("/nonexistent/bpe.model"), ErrorCode::kNotFound);
  const std::string path = testing::TempDir() + "/damaged.model";
  std::ofstream(path) << "not a model";
  EXPECT_EQ(code_of(path), ErrorCode::kOpenRead);
  std::ofstream(path).close();
  EXPECT_EQ(code_of(path), ErrorCode::kOpenRead);
}

}  // namespace
}  // namespace indextts2
