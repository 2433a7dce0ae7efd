// The step between tagger and verbalizer: parser of the tagger's output and the table of orders.
#include "text/token_reorder.h"

#include <cctype>
#include <utility>
#include <vector>

#include "core/error.h"

namespace indextts2 {
namespace {

struct Token {
  std::string_view name;
  std::vector<std::pair<std::string_view, std::string_view>> members;

  // The last value wins when a key was given twice, as in a map.
  const std::string_view* find(std::string_view key) const {
    for (auto member = members.rbegin(); member != members.rend(); ++member) {
      if (member->first == key) return &member->second;
    }
    return nullptr;
  }
};

using Order = std::vector<std::string_view>;

const Order* order_of(std::string_view name, Language language) {
  static const std::vector<std::pair<std::string_view, Order>> kChinese = {
      {"date", {"year", "month", "day"}},
      {"fraction", {"denominator", "numerator"}},
      {"measure", {"denominator", "numerator", "value"}},
      {"money", {"value", "currency"}},
      {"time", {"noon", "hour", "minute", "second"}}};
  static const std::vector<std::pair<std::string_view, Order>> kEnglish = {
      {"date", {"preserve_order", "text", "day", "month", "year"}},
      {"money", {"integer_part", "fractional_part", "quantity", "currency_maj"}}};
  for (const auto& entry : language == Language::kChinese ? kChinese : kEnglish) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool next(Token* token) {
    skip_spaces();
    if (at_ == text_.size()) return false;
    token->members.clear();
    token->name = key();
    expect(" {");
    for (skip_spaces(); peek() != '}'; skip_spaces()) {
      const std::string_view name = key();
      expect(": \"");
      token->members.emplace_back(name, value());
      expect("\"");
    }
    expect("}");
    return true;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_spaces() {
    while (peek() == ' ') ++at_;
  }
  std::string_view key() {
    const size_t begin = at_;
    while (std::isalpha(static_cast<unsigned char>(peek())) || peek() == '_') ++at_;
    if (at_ == begin) fail("a name");
    return text_.substr(begin, at_ - begin);
  }
  std::string_view value() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) fail("a closing quote");
    return text_.substr(begin, at_ - begin);
  }
  void expect(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) fail("'" + std::string(wanted) + "'");
    at_ += wanted.size();
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw Error(ErrorCode::kInternal,
                "text: tagger output: expected " + expected + " at byte " + std::to_string(at_) +
                    "; are the grammar files of another version?",
                std::string(text_));
  }

  std::string_view text_;
  size_t at_ = 0;
};

void append_member(std::string* out, std::string_view key, std::string_view value) {
  out->append(" ").append(key).append(": \"").append(value).append("\"");
}

}  // namespace

std::string reorder_tokens(std::string_view tagged, Language language) {
  std::string out;
  Parser parser(tagged);
  for (Token token; parser.next(&token);) {
    if (!out.empty()) out += ' ';
    out.append(token.name).append(" {");
    const std::string_view* preserve = token.find("preserve_order");
    const Order* order = preserve && *preserve == "true" ? nullptr : order_of(token.name, language);
    if (order) {
      for (const std::string_view key : *order) {
        if (const std::string_view* value = token.find(key)) append_member(&out, key, *value);
      }
    } else {
      for (const auto& member : token.members) {
        append_member(&out, member.first, *token.find(member.first));
      }
    }
    out += " }";
  }
  return out;
}

}  // namespace indextts2
