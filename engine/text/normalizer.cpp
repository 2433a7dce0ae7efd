// Normalisation of a text: protection of what the grammars must not touch, the grammar, and the way
// back.
#include "text/normalizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "text/patterns.h"
#include "text/upper.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

constexpr std::string_view kGuard = "PRONPLACEHOLDER";  // kGuard a kGuard, kGuard b kGuard, ...
constexpr std::string_view kHyphen = "<H>";

// 0 -> a, 25 -> z, 26 -> aa
std::string number_to_letters(size_t number) {
  std::string letters;
  for (number += 1; number > 0; number = (number - 1) / 26) {
    letters.insert(letters.begin(), static_cast<char>('a' + (number - 1) % 26));
  }
  return letters;
}

// The word that stands for a pronunciation.
std::string guarded(size_t number) {
  return std::string(kGuard) + number_to_letters(number) + std::string(kGuard);
}

// The number that the letters at *at stand for; moves *at behind them. Nothing without letters or
// with too many.
std::optional<size_t> letters_to_number(std::string_view text, size_t* at) {
  size_t number = 0, count = 0;
  for (; *at < text.size() && text[*at] >= 'a' && text[*at] <= 'z'; ++*at, ++count) {
    if (count < 10) number = number * 26 + static_cast<size_t>(text[*at] - 'a' + 1);
  }
  if (count == 0 || count >= 10) return std::nullopt;
  return number - 1;
}

// `text` with replace(match, its place in the list) put in for each match.
template <typename Replace>
std::string substitute(std::string_view text, const std::vector<Match>& matches, Replace replace) {
  std::string out;
  size_t at = 0, index = 0;
  for (const Match& match : matches) {
    out += text.substr(at, match.begin - at);
    out += replace(text.substr(match.begin, match.end - match.begin), index++);
    at = match.end;
  }
  out += text.substr(at);
  return out;
}

// `text` with word(number) put in for each prefix + letters + suffix whose number is below `count`.
template <typename Word>
std::string restore_numbered(std::string_view text, std::string_view prefix,
                             std::string_view suffix, size_t count, Word word) {
  std::string out;
  size_t at = 0;
  for (size_t found = text.find(prefix); found < text.size(); found = text.find(prefix, found)) {
    size_t end = found + prefix.size();
    const std::optional<size_t> number = letters_to_number(text, &end);
    if (number && *number < count && text.substr(end, suffix.size()) == suffix) {
      out += text.substr(at, found - at);
      out += word(*number);
      at = found = end + suffix.size();
    } else {
      found += 1;
    }
  }
  out += text.substr(at);
  return out;
}

// Matches taken out of a text: <n_a>, <n_b>, ... in the order of the text.
struct Marked {
  std::string prefix;  // "<n_"
  std::string text;
  std::vector<std::string> originals;

  std::string restore(std::string_view normalized) const {
    return restore_numbered(normalized, prefix, ">", originals.size(),
                            [&](size_t number) -> const std::string& { return originals[number]; });
  }
};

Marked mark(std::string prefix, std::string_view text, const std::vector<Match>& matches) {
  Marked marked;
  marked.text = substitute(text, matches, [&](std::string_view match, size_t index) {
    marked.originals.emplace_back(match);
    return prefix + number_to_letters(index) + ">";
  });
  marked.prefix = std::move(prefix);
  return marked;
}

// \s*<H>\s* -> -
std::string restore_hyphens(std::string_view text) {
  std::string out;
  size_t at = 0;
  for (size_t found = text.find(kHyphen); found < text.size(); found = text.find(kHyphen, at)) {
    out += strip_end(text.substr(at, found - at));
    out += '-';
    at = found + kHyphen.size();
    for (size_t next = at; next < text.size() && is_space(next_character(text, &next));) at = next;
  }
  out += text.substr(at);
  return out;
}

std::string protect_hyphens(std::string_view text, const std::vector<Match>& terms) {
  return substitute(text, terms, [](std::string_view term, size_t) {
    std::string out;
    for (const char c : term) out += c == '-' ? std::string(kHyphen) : std::string(1, c);
    return out;
  });
}

std::string speak_chinese(std::string_view text, const Grammar& grammar, PieceContext* context) {
  text = strip_end(text);
  const std::vector<Match> terms = find_hyphenated(text);
  const std::string plain = protect_hyphens(text, terms);
  const Marked pinyin = mark("<pinyin_", plain, find_pinyin(plain));
  const Marked names = mark("<n_", pinyin.text, find_names(pinyin.text));
  Marked corrected = pinyin;
  for (std::string& syllable : corrected.originals) syllable = correct_pinyin(syllable);
  std::string spoken =
      corrected.restore(names.restore(grammar.normalize(names.text, &context->costs).value_or("")));
  return terms.empty() ? spoken : restore_hyphens(spoken);
}

// grammar.normalize of text that stands behind context->before, which is left out of the result.
std::optional<std::string> normalize_behind(const std::string& text, const Grammar& grammar,
                                            PieceContext* context) {
  if (context->before.empty()) return grammar.normalize(text, &context->costs);
  PathCosts before;
  const std::string_view words = strip_end(context->before);
  const std::optional<std::string> spoken_before = grammar.normalize(words, &before);
  PathCosts costs = context->costs;
  costs.tagger -= before.tagger;
  costs.verbalizer -= before.verbalizer;
  const std::optional<std::string> spoken = grammar.normalize(context->before + text, &costs);
  if (spoken && spoken_before && spoken->compare(0, spoken_before->size(), *spoken_before) == 0) {
    context->costs = costs;
    return spoken->substr(spoken_before->size());
  }
  const std::optional<std::string> alone = grammar.normalize(text, &context->costs);
  if (!alone) return std::nullopt;
  return " " + *alone;
}

std::string speak_english(std::string_view text, const Grammar& grammar, PieceContext* context) {
  const std::vector<Match> terms = find_hyphenated(text);
  const std::optional<std::string> spoken =
      normalize_behind(protect_hyphens(text, terms), grammar, context);
  if (!spoken) return (context->before.empty() ? "" : " ") + std::string(text);
  return terms.empty() ? *spoken : restore_hyphens(*spoken);
}

struct Mapping {
  std::string_view from, to;
};

// The longest first among those that start alike; "$" is for Chinese only.
constexpr Mapping kMappings[] = {
    {"$", "."},  {"：", ","}, {"；", ","}, {";", ","},  {"，", ","},  {"。", "."},  {"！", "!"},
    {"？", "?"}, {"\n", " "}, {"·", "-"},  {"、", ","}, {"...", "…"}, {",,,", "…"}, {"……", "…"},
    {"“", "'"},  {"”", "'"},  {"\"", "'"}, {"‘", "'"},  {"’", "'"},   {"（", "'"},  {"）", "'"},
    {"(", "'"},  {")", "'"},  {"《", "'"}, {"》", "'"}, {"【", "'"},  {"】", "'"},  {"[", "'"},
    {"]", "'"},  {"—", "-"},  {"～", "-"}, {"~", "-"},  {"「", "'"},  {"」", "'"},  {":", ","}};

}  // namespace

ProtectedText::ProtectedText(std::string source) : source_size_(source.size()) {
  const std::vector<Match> matches = find_annotations(source);
  size_t begin = 0,
         source_end = 0;  // end of the last word in text_, of the last annotation in the source
  for (const Match& match : matches) {
    begin += match.begin - source_end;
    source_end = match.end;
    const size_t end = begin + guarded(annotations_.size()).size();
    annotations_.push_back(
        {source.substr(match.begin, match.end - match.begin), begin, end, source_end});
    begin = end;
  }
  text_ = matches.empty() ? std::move(source)
                          : substitute(source, matches, [](std::string_view, size_t number) {
                              return guarded(number);
                            });
  language_ = choose_language(text_);
}

size_t ProtectedText::source_offset(size_t at) const {
  const auto after =
      std::upper_bound(annotations_.begin(), annotations_.end(), at,
                       [](size_t offset, const Annotation& a) { return offset < a.end; });
  if (after != annotations_.end() && at > after->begin) at = after->begin;
  return after == annotations_.begin() ? at : at - (after - 1)->end + (after - 1)->source_end;
}

std::string ProtectedText::restore(std::string_view normalized) const {
  return restore_numbered(
      normalized, kGuard, kGuard, annotations_.size(),
      [&](size_t number) -> const std::string& { return annotations_[number].original; });
}

Language choose_language(std::string_view text) {
  bool has_letter = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = next_character(text, &at);
    if (is_han(character)) return Language::kChinese;
    has_letter = has_letter || is_ascii_letter(character);
  }
  return !has_letter || is_email(text) || !find_pinyin(text).empty() ? Language::kChinese
                                                                     : Language::kEnglish;
}

std::string apply_glossary(std::string_view piece, const Glossary& glossary, Language language) {
  if (glossary.empty()) return std::string(piece);
  std::string out;
  size_t at = 0;
  for (size_t found = piece.find(kGuard); found < piece.size();) {
    const size_t end = piece.find(kGuard, found + kGuard.size());
    if (end == std::string_view::npos) break;
    out += glossary.apply(piece.substr(at, found - at), language);
    at = end + kGuard.size();
    out += piece.substr(found, at - found);
    found = piece.find(kGuard, at);
  }
  return out + glossary.apply(piece.substr(at), language);
}

std::string normalize_piece(const ProtectedText& whole, std::string_view piece,
                            const Glossary& glossary, const Grammar& grammar,
                            PieceContext* context) {
  const Language language = whole.language();
  PieceContext alone;
  if (!context) context = &alone;
  const std::string text = apply_glossary(expand_contractions(piece), glossary, language);
  const std::string spoken = language == Language::kChinese ? speak_chinese(text, grammar, context)
                                                            : speak_english(text, grammar, context);
  return whole.restore(map_characters(spoken, language));
}

std::string expand_contractions(std::string_view text) {
  return substitute(text, find_contractions(text), [](std::string_view, size_t) { return " is"; });
}

std::string correct_pinyin(std::string_view syllable) {
  const auto is_one_of = [](char c, std::string_view set) {
    return set.find(c) != std::string_view::npos;
  };
  if (syllable.empty() || !is_one_of(syllable[0], "jqxJQX")) return std::string(syllable);
  std::string out;
  for (size_t at = 0; at < syllable.size();) append_upper(&out, next_character(syllable, &at));
  // J, Q, X + U or Ü + one of "", N, E, AN + tone: the vowel is written V.
  size_t at = 1;
  const char32_t vowel = next_character(out, &at);
  const std::string_view rest = std::string_view(out).substr(at);
  const std::string_view tail = rest.substr(0, rest.size() - 1);
  if ((vowel == 'U' || vowel == 0xDC) &&
      (tail.empty() || tail == "N" || tail == "E" || tail == "AN")) {
    return out.substr(0, 1) + "V" + std::string(rest);
  }
  return out;
}

std::string map_characters(std::string_view text, Language language) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto found =
        std::find_if(std::begin(kMappings), std::end(kMappings), [&](const Mapping& mapping) {
          return text.compare(at, mapping.from.size(), mapping.from) == 0 &&
                 (mapping.from != "$" || language == Language::kChinese);
        });
    if (found != std::end(kMappings)) {
      out += found->to;
      at += found->from.size();
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace indextts2
