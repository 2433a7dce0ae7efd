// Alignment: units, their longest common sequence, interpolation between anchors.
#include "text/alignment.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "text/normalizer.h"
#include "text/upper.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

struct Unit {
  std::string key;  // what is compared
  size_t begin, end;
};

enum class Kind { kSpace, kWord, kDigits, kSingle };

Kind kind_of(char32_t character) {
  if (is_space(character)) return Kind::kSpace;
  if (is_ascii_digit(character)) return Kind::kDigits;
  if (is_cjk(character)) return Kind::kSingle;
  const bool word = is_ascii_letter(character) || (character >= 0xC0 && character < 0x2000);
  return word ? Kind::kWord : Kind::kSingle;
}

std::string key_of(std::string_view unit) {
  const std::string mapped = map_characters(unit, Language::kChinese);
  std::string key;
  for (size_t at = 0; at < mapped.size();) append_upper(&key, next_character(mapped, &at));
  return key;
}

std::vector<Unit> cut_into_units(std::string_view text) {
  std::vector<Unit> units;
  Kind last = Kind::kSpace;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const Kind kind = kind_of(next_character(text, &at));
    if (kind == last && kind != Kind::kSingle && kind != Kind::kSpace) {
      units.back().end = at;
    } else if (kind != Kind::kSpace) {
      units.push_back({"", begin, at});
    }
    last = kind;
  }
  for (Unit& unit : units) unit.key = key_of(text.substr(unit.begin, unit.end - unit.begin));
  return units;
}

// The longest common sequence, as pairs of indices.
std::vector<std::pair<size_t, size_t>> match_units(const std::vector<Unit>& a,
                                                   const std::vector<Unit>& b) {
  const size_t width = b.size() + 1;
  std::vector<uint16_t> longest((a.size() + 1) * width);  // of what follows (i, j)
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      longest[i * width + j] =
          a[i].key == b[j].key ? static_cast<uint16_t>(longest[(i + 1) * width + j + 1] + 1)
                               : std::max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i].key == b[j].key) {
      pairs.emplace_back(i++, j++);
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  return pairs;
}

}  // namespace

Alignment::Alignment(std::string_view source, std::string_view spoken) : source_(source) {
  const std::vector<Unit> from = cut_into_units(source), to = cut_into_units(spoken);
  anchors_.emplace_back(0, 0);
  for (const auto& pair : match_units(from, to)) {
    const Unit &left = from[pair.first], &right = to[pair.second];
    anchors_.emplace_back(right.begin, left.begin);
    anchors_.emplace_back(right.end, left.end);
  }
  anchors_.emplace_back(spoken.size(), source.size());
}

size_t Alignment::source_offset(size_t spoken_at) const {
  if (spoken_at == 0) return 0;
  const auto after = std::upper_bound(
      anchors_.begin(), anchors_.end(), spoken_at,
      [](size_t at, const std::pair<size_t, size_t>& anchor) { return at < anchor.first; });
  size_t at = (after - 1)->second;
  if (after != anchors_.end()) {
    const double part = static_cast<double>(spoken_at - (after - 1)->first) /
                        static_cast<double>(after->first - (after - 1)->first);
    at += static_cast<size_t>(part * static_cast<double>(after->second - at));
  }
  at = character_start(source_, at);
  for (size_t next = at; next < source_.size() && is_space(next_character(source_, &next));) {
    at = next;
  }
  return at;
}

}  // namespace indextts2
