// Golden test of the text front end: front_test FOLDER GRAMMARS. Every line of FOLDER/front.jsonl
// is compared exactly: language, normalised text, tokens, ids, unknown pieces and the segments of
// each limit.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "text/front_end.h"
#include "text/normalizer.h"
#include "text/segmenter.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

using nlohmann::json;

struct Checker {
  int failures = 0;
  std::string text;

  void same(const std::string& what, const json& expected, const json& got) {
    if (expected == got) return;
    ++failures;
    std::printf("  FAIL %s: %s\n    expected %s\n    got      %s\n", text.c_str(), what.c_str(),
                expected.dump().c_str(), got.dump().c_str());
  }
};

std::shared_ptr<const Glossary> glossary_of(const json& entry) {
  std::vector<Glossary::Term> terms;
  const json glossary = entry.value("glossary", json::object());
  for (const auto& item : glossary.items()) {
    const json& value = item.value();
    const auto reading = [&](const char* language) {
      return value.is_string() ? value.get<std::string>() : value.value(language, item.key());
    };
    terms.push_back({item.key(), reading("zh"), reading("en")});
  }
  return std::make_shared<const Glossary>(std::move(terms));
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_character(text, &at);
  return count;
}

// The segments' ids as the reader gives them, and that the source bytes cover the text.
std::vector<std::vector<int32_t>> read_all(const FrontEnd& front, const std::string& text,
                                           const FrontOptions& options, Checker* checker) {
  std::vector<std::vector<int32_t>> segments;
  const auto reader = front.open(text, options);
  size_t until = 0;
  bool last = false;
  for (Segment segment; reader->next(&segment, StopToken());) {
    checker->same("begin", until, segment.begin);
    checker->same("index", segments.size(), segment.index);
    checker->same("last before the end", false, last);
    checker->same("order", true, segment.end >= segment.begin);
    until = segment.end;
    last = segment.last;
    segments.push_back(segment.ids);
  }
  if (!segments.empty()) {
    checker->same("end", text.size(), until);
    checker->same("last", true, last);
  }
  return segments;
}

void check_segments(const FrontEnd& front, const json& entry, const std::vector<TextToken>& tokens,
                    FrontOptions options, Checker* checker) {
  for (const auto& item : entry["segments"].items()) {
    const std::string& key = item.key();  // MAX/QUICK
    options.max_segment_tokens = std::stoi(key);
    options.first_segment_tokens = std::stoi(key.substr(key.find('/') + 1));
    std::vector<size_t> lengths;
    for (const auto& ids : read_all(front, checker->text, options, checker)) {
      lengths.push_back(ids.size());
    }
    checker->same(key, item.value().at("lengths"), lengths);
    if (!item.value().contains("segments")) continue;
    Segmenter segmenter({options.max_segment_tokens, options.first_segment_tokens, false});
    for (const TextToken& token : tokens) segmenter.push(token);
    segmenter.finish();
    json segments = json::array();
    for (Tokens segment; segmenter.pop(&segment);) {
      json pieces = json::array();
      for (const TextToken& token : segment) pieces.push_back(token.piece);
      segments.push_back(pieces);
    }
    checker->same(key + " pieces", item.value().at("segments"), segments);
  }
}

int check_case(const FrontEnd& front, const Grammars& grammars, const json& entry) {
  Checker checker;
  checker.text = entry.at("text");
  FrontOptions options;
  options.glossary = glossary_of(entry);
  const ProtectedText whole(checker.text);
  const bool raw = checker.text.empty() || count_characters(strip(checker.text)) == 1;
  const bool chinese = whole.language() == Language::kChinese;
  checker.same("path", entry.at("path"), raw ? "raw" : chinese ? "zh" : "en");
  const std::string normalized =
      raw ? checker.text
          : normalize_piece(whole, whole.text(), *options.glossary, grammars.get(whole.language()));
  checker.same("normalized", entry.at("normalized"), normalized);
  const std::vector<TextToken> tokens =
      front.tokenizer().encode(raw ? normalized : separate_characters(normalized));
  std::vector<std::string> pieces;
  std::vector<int32_t> ids;
  int unknown = 0;
  for (const TextToken& token : tokens) {
    pieces.push_back(token.piece);
    ids.push_back(token.id);
    unknown += token.id == front.tokenizer().unknown_id();
  }
  checker.same("tokens", entry.at("tokens"), pieces);
  checker.same("ids", entry.at("ids"), ids);
  checker.same("unknown", entry.at("unknown"), unknown);
  int reported = 0;
  options.unknown = [&](const std::vector<std::string>& found) { reported += found.size(); };
  options.max_segment_tokens = 599;
  read_all(front, checker.text, options, &checker);
  checker.same("reported unknown pieces", entry.at("unknown"), reported);
  options.unknown = nullptr;
  check_segments(front, entry, tokens, options, &checker);
  return checker.failures;
}

int run(const std::string& folder, const std::string& grammar_folder) {
  std::ifstream stream(folder + "/front.jsonl");
  if (!stream) {
    std::printf("front: no front.jsonl in %s: nothing to compare\n", folder.c_str());
    return 0;
  }
  std::string model;
  for (const auto& item : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(item.path() / "bpe.model")) model = item.path() / "bpe.model";
  }
  const FrontEnd front(model, grammar_folder);
  const Grammars grammars(grammar_folder);
  int cases = 0, failed = 0;
  for (std::string line; std::getline(stream, line);) {
    const json entry = json::parse(line);
    if (entry.value("order_dependent", false)) continue;
    ++cases;
    failed += check_case(front, grammars, entry) > 0;
  }
  std::printf("%d cases, %d failed\n", cases, failed);
  return cases == 0 || failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: front_test FOLDER GRAMMARS\n");
    return 2;
  }
  try {
    return indextts2::run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::printf("FAIL %s\n", error.what());
    return 1;
  }
}
