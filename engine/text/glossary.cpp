// The glossary: matching and reading of glossary.yaml.
#include "text/glossary.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "text/upper.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

std::u32string fold(std::string_view text) {
  std::u32string folded;
  for (size_t at = 0; at < text.size();) folded += fold_case(next_character(text, &at));
  return folded;
}

// End of the match of `folded` at `at`; npos: no match.
size_t match_end(std::string_view text, size_t at, const std::u32string& folded) {
  for (const char32_t wanted : folded) {
    if (at >= text.size() || fold_case(next_character(text, &at)) != wanted) {
      return std::string_view::npos;
    }
  }
  return at;
}

std::string replace_all(std::string_view text, const std::u32string& folded,
                        const std::string& reading) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = match_end(text, at, folded);
    if (end != std::string_view::npos) {
      out += reading;
      at = end;
    } else {
      const size_t begin = at;
      next_character(text, &at);
      out += text.substr(begin, at - begin);
    }
  }
  return out;
}

[[noreturn]] void refuse(const std::string& path, const YAML::Mark& mark, const std::string& what) {
  throw Error(ErrorCode::kOpenRead,
              "glossary " + path + ", line " + std::to_string(mark.line + 1) + ": " + what +
                  "; write \"term: reading\" or \"term: {zh: reading, en: reading}\"");
}

std::string reading_of(const std::string& path, const YAML::Node& node) {
  if (!node.IsScalar()) refuse(path, node.Mark(), "expected a reading as text");
  check_utf8(node.Scalar());
  return node.Scalar();
}

Glossary::Term read_term(const std::string& path, const YAML::Node& key, const YAML::Node& value) {
  if (!key.IsScalar()) refuse(path, key.Mark(), "expected a term as text");
  check_utf8(key.Scalar());
  Glossary::Term term{key.Scalar(), key.Scalar(), key.Scalar()};
  if (value.IsScalar()) {
    term.chinese = term.english = reading_of(path, value);
  } else if (value.IsMap()) {
    for (const auto& item : value) {
      const std::string language = reading_of(path, item.first);
      if (language != "zh" && language != "en") {
        refuse(path, item.first.Mark(), "expected zh or en, got \"" + language + "\"");
      }
      (language == "zh" ? term.chinese : term.english) = reading_of(path, item.second);
    }
  } else {
    refuse(path, value.Mark(), "no reading for \"" + term.term + "\"");
  }
  return term;
}

}  // namespace

Glossary::Glossary(std::vector<Term> terms) {
  for (Term& term : terms) {
    if (term.term.empty())
      throw Error(ErrorCode::kSettings, "glossary: a term is empty; remove it");
    std::u32string folded = fold(term.term);
    const size_t longest = folded.size() * 4;
    entries_.push_back(
        {std::move(folded), longest, std::move(term.chinese), std::move(term.english)});
  }
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.folded.size() > b.folded.size();
  });
}

std::string Glossary::apply(std::string_view text, Language language) const {
  std::string out(text);
  for (const Entry& entry : entries_) {
    out = replace_all(out, entry.folded,
                      language == Language::kChinese ? entry.chinese : entry.english);
  }
  return out;
}

bool Glossary::spans(std::string_view text, size_t at) const {
  for (const Entry& entry : entries_) {
    size_t begin = at > entry.longest_bytes ? character_start(text, at - entry.longest_bytes) : 0;
    while (begin < at) {
      const size_t end = match_end(text, begin, entry.folded);
      if (end != std::string_view::npos && end > at) return true;
      next_character(text, &begin);
    }
  }
  return false;
}

Glossary load_glossary(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {
    throw Error(ErrorCode::kNotFound, "glossary " + path + " does not exist or is not a file");
  }
  YAML::Node root;
  try {
    root = YAML::LoadFile(path);
  } catch (const YAML::ParserException& error) {
    refuse(path, error.mark, "not YAML: " + error.msg);
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kOpenRead, "glossary " + path + " cannot be read", error.what());
  }
  if (root.IsNull()) return Glossary();
  if (!root.IsMap()) refuse(path, root.Mark(), "expected terms");
  std::vector<Glossary::Term> terms;
  try {
    for (const auto& item : root) terms.push_back(read_term(path, item.first, item.second));
  } catch (const Error& error) {
    if (error.code != ErrorCode::kTextDecode) throw;
    throw Error(ErrorCode::kOpenRead, "glossary " + path + ": " + error.what());
  }
  return Glossary(std::move(terms));
}

}  // namespace indextts2
