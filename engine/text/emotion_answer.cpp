// The emotions of a text from a language model's answer: JSON or name-and-number pairs, then the
// rules for melancholy, for labels and for ranges.
#include "text/emotion_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/error.h"
#include "text/python_number.h"
#include "text/upper.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

using nlohmann::json;

struct Emotion {
  std::string_view key, english;
};
constexpr Emotion kEmotions[] = {
    {"高兴", "happy"},     {"愤怒", "angry"},       {"悲伤", "sad"},       {"恐惧", "afraid"},
    {"反感", "disgusted"}, {"低落", "melancholic"}, {"惊讶", "surprised"}, {"自然", "calm"}};
constexpr size_t kCount = std::size(kEmotions);
constexpr size_t kSad = 2, kMelancholic = 5, kCalm = 7;
constexpr const char* kLabelKeys[] = {"emotion", "emotion_label", "label", "情感", "情绪"};
// A text with one of these is melancholic where the model, which does not tell them apart, says
// sad.
constexpr std::string_view kMelancholicWords[] = {"低落",       "melancholy", "melancholic",
                                                  "depression", "depressed",  "gloomy"};
constexpr double kMaxScore = 1.2;

// The value of each emotion's key, which need not be a number.
using Values = std::array<std::optional<json>, kCount>;

[[noreturn]] void refuse(const std::string& expected, const std::string& got,
                         std::string_view answer) {
  throw Error(ErrorCode::kSynthesis,
              "emotion of a text: the language model's answer has " + got + ", expected " +
                  expected + "; reword the text or give the emotions as a vector",
              std::string(answer));
}

// Python's str.lower(), as far as texts are only searched in it.
std::string lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = next_character(text, &at);
    append_character(&out, fold_case(character));
    if (character == U'\u0130') append_character(&out, U'\u0307');  // the one that becomes two
  }
  return out;
}

// `text` with Python's JSON numbers that JSON has not as numbers of the same effect: all are cut at
// the largest score, NaN included.
std::string without_number_words(std::string_view text) {
  std::string out;
  bool quoted = false;
  for (size_t at = 0; at < text.size();) {
    const auto take = [&](std::string_view word, std::string_view number) {
      if (quoted || text.substr(at, word.size()) != word) return false;
      out += number;
      at += word.size();
      return true;
    };
    if (take("NaN", " 1e300 ") || take("Infinity", " 1e300 ") || take("-Infinity", " -1e300 ")) {
      continue;
    }
    if (quoted && text[at] == '\\' && at + 1 < text.size())
      out += text[at++];
    else if (text[at] == '"')
      quoted = !quoted;
    out += text[at++];
  }
  return out;
}

size_t skip_space(std::string_view text, size_t at) {
  for (size_t next = at; at < text.size() && is_space(next_character(text, &next));) at = next;
  return at;
}

// Every match of ([^\s":.,]+?)"?\s*:\s*([\d.]+), a later one in place of one of the same name.
// A name never matches without its last character, so that one look behind each run of such
// characters finds all.
json read_pairs(std::string_view text) {
  json pairs = json::object();
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    size_t next = at;
    const auto of_name = [&](char32_t character) {
      return !is_space(character) && character != '"' && character != ':' && character != '.' &&
             character != ',';
    };
    while (at < text.size() && of_name(next_character(text, &next))) at = next;
    if (at == begin) {
      at = next;
      continue;
    }
    const std::string name(text.substr(begin, at - begin));
    size_t colon = at < text.size() && text[at] == '"' ? at + 1 : at;
    colon = skip_space(text, colon);
    if (colon == text.size() || text[colon] != ':') continue;
    const size_t number = skip_space(text, colon + 1);
    size_t end = number;
    for (next = end; end < text.size(); end = next) {
      const char32_t character = next_character(text, &next);
      if (!is_decimal_digit(character) && character != '.') break;
    }
    if (end == number) continue;
    const std::string_view digits = text.substr(number, end - number);
    const std::optional<double> value = parse_python_number(digits);
    if (!value) refuse("a number for " + name, std::string(digits), text);
    pairs[name] = *value;
    at = end;
  }
  return pairs;
}

json read_content(std::string_view answer) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";  // a byte order mark is no JSON to Python
  if (answer.substr(0, kMark.size()) != kMark) {
    json content = json::parse(without_number_words(answer), nullptr, false);
    if (!content.is_discarded()) return content;
  }
  return read_pairs(answer);
}

void swap_melancholy(json* content, std::string_view answer) {
  if (!content->is_object()) refuse("an object of scores", content->dump(), answer);
  const std::string sad(kEmotions[kSad].key), melancholic(kEmotions[kMelancholic].key);
  const json was_sad = content->value(sad, json(0.0));
  (*content)[sad] = content->value(melancholic, json(0.0));
  (*content)[melancholic] = was_sad;
}

// The emotion that a string names, in Chinese or in English of any letter case.
std::optional<size_t> label_of(const json& value) {
  if (!value.is_string()) return {};
  const std::string& text = value.get_ref<const std::string&>();
  const std::string_view label = strip(text);
  const std::string english = lower(label);
  for (size_t k = 0; k < kCount; ++k) {
    if (label == kEmotions[k].key || english == kEmotions[k].english) return k;
  }
  return {};
}

std::optional<size_t> label_of_content(const json& content) {
  if (!content.is_object()) return label_of(content);
  for (const char* key : kLabelKeys) {
    const auto found = content.find(key);
    if (found == content.end()) continue;
    if (const auto label = label_of(*found)) return label;
  }
  return {};
}

Values read_values(const json& content) {
  Values values;
  bool any = false;
  for (size_t k = 0; k < kCount && content.is_object(); ++k) {
    const auto found = content.find(std::string(kEmotions[k].key));
    if (found == content.end()) continue;
    values[k] = *found;
    any = true;
  }
  const std::optional<size_t> label = label_of_content(content);
  if (label && !any) values[*label] = 1.0;
  for (size_t k = 0; k < kCount; ++k) {
    const std::optional<size_t> named = values[k] ? label_of(*values[k]) : std::nullopt;
    if (!named) continue;
    values[k] = 0.0;
    values[*named] = 1.0;
  }
  return values;
}

std::optional<double> number_of(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return parse_python_number(value.get_ref<const std::string&>());
  return {};
}

}  // namespace

EmotionScores read_emotion_answer(std::string_view answer, std::string_view text) {
  constexpr std::string_view kThought = "</think>";
  check_utf8(answer);
  check_utf8(text);
  const size_t thought = answer.rfind(kThought);
  if (thought != std::string_view::npos) answer.remove_prefix(thought + kThought.size());
  json content = read_content(answer);
  const std::string searched = lower(text);
  const auto occurs = [&](std::string_view word) {
    return searched.find(word) != std::string::npos;
  };
  if (std::any_of(std::begin(kMelancholicWords), std::end(kMelancholicWords), occurs)) {
    swap_melancholy(&content, answer);
  }
  const Values values = read_values(content);
  EmotionScores scores{};
  for (size_t k = 0; k < kCount; ++k) {
    if (!values[k]) continue;
    const std::optional<double> number = number_of(*values[k]);
    if (!number) {
      refuse("a number for " + std::string(kEmotions[k].key), values[k]->dump(), answer);
    }
    const double score = *number < kMaxScore ? *number : kMaxScore;  // NaN, too
    scores[k] = score > 0.0 ? score : 0.0;
  }
  const bool none = std::all_of(scores.begin(), scores.end(), [](double s) { return s <= 0.0; });
  if (none) scores[kCalm] = 1.0;
  return scores;
}

}  // namespace indextts2
