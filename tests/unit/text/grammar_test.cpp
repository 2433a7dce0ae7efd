// Tests of the grammar runner: results, damaged files, loading from several threads.
#include "text/grammar.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "core/error.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

ErrorCode error_of(const std::string& path) {
  try {
    const Transducer transducer(path);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
    return error.code;
  }
  return ErrorCode::kInternal;
}

TEST(Grammar, ReadsNumbers) {
  const Grammars grammars(GRAMMAR_DIR);
  EXPECT_EQ(grammars.get(Language::kEnglish).normalize("5 kg"), "five kilograms");
  EXPECT_EQ(grammars.get(Language::kChinese).normalize("共465篇"), "共四百六十五篇");
  EXPECT_EQ(grammars.get(Language::kEnglish).normalize(""), "");
  EXPECT_EQ(grammars.get(Language::kEnglish).normalize("\n5"), std::nullopt);
}

TEST(Grammar, SkipsNul) {
  const Grammars grammars(GRAMMAR_DIR);
  EXPECT_EQ(grammars.get(Language::kChinese).normalize(std::string("2\0个", 5)), "两个");
}

TEST(Grammar, RefusesMissingAndDamagedFiles) {
  EXPECT_EQ(error_of(std::string(GRAMMAR_DIR) + "/none.fst"), ErrorCode::kNotFound);
  const std::string good = std::string(GRAMMAR_DIR) + "/zh_tn_verbalizer.fst";
  const std::string path = testing::TempDir() + "/damaged.fst";
  for (const size_t size : {0, 3, 60, 200000}) {
    fs::copy_file(good, path, fs::copy_options::overwrite_existing);
    fs::resize_file(path, size);
    EXPECT_EQ(error_of(path), ErrorCode::kOpenRead) << size;
  }
  std::ofstream(path) << "this is text, not a grammar, and long enough to hold a header";
  EXPECT_EQ(error_of(path), ErrorCode::kOpenRead);
}

TEST(Grammar, SameForAllThreads) {
  const Grammars grammars(GRAMMAR_DIR);
  std::vector<const Grammar*> got(4);
  std::vector<std::thread> threads;
  for (const Grammar*& grammar : got) {
    threads.emplace_back([&] {
      grammar = &grammars.get(Language::kChinese);
      EXPECT_EQ(grammar->normalize("3个"), "三个");
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Grammar* grammar : got) EXPECT_EQ(grammar, got[0]);
}

}  // namespace
}  // namespace indextts2
