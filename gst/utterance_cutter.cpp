// Lines and markup.
#include "utterance_cutter.h"

#include <glib.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace indextts2 {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(std::string_view(" \t\r\n\v\f\0", 7)) == std::string_view::npos;
}

void add(std::string text, std::vector<std::string>* out) {
  while (!text.empty() && (text.back() == '\0' || text.back() == '\r')) text.pop_back();
  if (!is_blank(text)) out->push_back(std::move(text));
}

constexpr std::array<std::string_view, 12> kPangoTags = {"markup", "a",    "b",   "big", "i",  "s",
                                                         "small",  "span", "sub", "sup", "tt", "u"};
// Named in the XML standard; subtitles bring nbsp besides.
struct Entity {
  std::string_view name, text;
};
constexpr std::array<Entity, 6> kEntities = {
    {{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}}};

// Length of the tag that starts at markup[0] == '<', 0 when it is none. *name: its name, lower
// case.
size_t tag_length(std::string_view markup, std::string* name) {
  size_t i = 1;
  if (i < markup.size() && markup[i] == '/') ++i;
  if (i >= markup.size() || !g_ascii_isalpha(markup[i])) {
    bool comment = i < markup.size() && (markup[i] == '!' || markup[i] == '?');
    if (!comment) return 0;
  }
  const size_t end = markup.find('>', i);
  if (end == std::string_view::npos ||
      markup.substr(i, end - i).find('<') != std::string_view::npos)
    return 0;
  for (name->clear(); i < end && (g_ascii_isalnum(markup[i]) || markup[i] == '-'); ++i) {
    name->push_back(g_ascii_tolower(markup[i]));
  }
  return end + 1;
}

// Appends the text of the entity at markup[0] == '&' and returns its length; 0: it is none.
size_t decode_entity(std::string_view markup, std::string* out) {
  const size_t end = markup.substr(0, 12).find(';');
  if (end == std::string_view::npos || end < 2) return 0;
  const std::string name(markup.substr(1, end - 1));
  if (name[0] == '#') {
    const bool hex = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
    const std::string digits = name.substr(hex ? 2 : 1);
    char* last = nullptr;
    const unsigned long code = std::strtoul(digits.c_str(), &last, hex ? 16 : 10);
    if (digits.empty() || !g_ascii_isxdigit(digits[0]) || *last != '\0') return 0;
    if (code == 0 || code > 0x10ffff || !g_unichar_validate(static_cast<gunichar>(code))) return 0;
    char utf8[6];
    out->append(utf8, static_cast<size_t>(g_unichar_to_utf8(static_cast<gunichar>(code), utf8)));
    return end + 1;
  }
  for (const Entity& entity : kEntities) {
    if (entity.name != name) continue;
    out->append(entity.text);
    return end + 1;
  }
  return 0;
}

}  // namespace

void UtteranceCutter::push(std::string_view bytes, bool has_time, size_t max_bytes,
                           std::vector<std::string>* out) {
  if (has_time) {
    finish(out);
    add(std::string(bytes), out);
    return;
  }
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    if (!skip_line_) line_.append(bytes.substr(0, end));
    if (!skip_line_ && max_bytes > 0 && line_.size() > max_bytes) {
      out->push_back(std::move(line_));
      line_.clear();
      skip_line_ = true;
    }
    if (end == bytes.size()) return;
    add(std::move(line_), out);
    line_.clear();
    skip_line_ = false;
    bytes.remove_prefix(end + 1);
  }
}

void UtteranceCutter::finish(std::vector<std::string>* out) {
  add(std::move(line_), out);
  clear();
}

void UtteranceCutter::clear() {
  line_.clear();
  skip_line_ = false;
}

std::string strip_markup(std::string_view markup, bool* unknown_tag) {
  std::string text, name;
  for (size_t i = 0; i < markup.size();) {
    size_t length = 0;
    if (markup[i] == '<') {
      length = tag_length(markup.substr(i), &name);
      const bool known = std::find(kPangoTags.begin(), kPangoTags.end(), name) != kPangoTags.end();
      if (length > 0 && !name.empty() && !known) *unknown_tag = true;
    } else if (markup[i] == '&') {
      length = decode_entity(markup.substr(i), &text);
    }
    if (length == 0) {
      text.push_back(markup[i]);
      length = 1;
    }
    i += length;
  }
  return text;
}

}  // namespace indextts2
