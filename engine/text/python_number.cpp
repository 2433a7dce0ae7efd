// Numbers written as Python's float() takes them: digits to ASCII, then std::from_chars.
#include "text/python_number.h"

#include <utf8proc.h>

#include <charconv>
#include <limits>
#include <string>
#include <system_error>

#include "text/utf8.h"

namespace indextts2 {
namespace {

// Unicode keeps the digits 0 to 9 of a script together, and whole scripts follow each other.
char ascii_digit(char32_t digit) {
  char32_t zero = digit;
  while (is_decimal_digit(zero - 1)) --zero;
  return static_cast<char>('0' + (digit - zero) % 10);
}

// `text` in lower case and ASCII digits, without the "_" between digits; nothing if it holds what
// no number does.
std::optional<std::string> to_ascii(std::string_view text) {
  std::string out;
  bool after_digit = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = next_character(text, &at);
    if (character == '_') {
      size_t next = at;
      if (!after_digit || at == text.size() || !is_decimal_digit(next_character(text, &next))) {
        return {};
      }
      continue;
    }
    after_digit = is_decimal_digit(character);
    if (after_digit) {
      out += ascii_digit(character);
    } else if (is_ascii_letter(character)) {
      out += static_cast<char>(character | 0x20);
    } else if (character == '.' || character == '+' || character == '-') {
      out += static_cast<char>(character);
    } else {
      return {};
    }
  }
  return out;
}

// What a number without sign becomes that std::from_chars calls out of range.
double out_of_range(std::string_view number) {
  const size_t exponent = number.find('e');
  const bool small = exponent != std::string_view::npos
                         ? number.substr(exponent, 2) == "e-"
                         : number.front() == '0' || number.front() == '.';
  return small ? 0.0 : std::numeric_limits<double>::infinity();
}

}  // namespace

bool is_decimal_digit(char32_t character) {
  if (character < 0x80) return is_ascii_digit(character);
  return utf8proc_category(static_cast<int>(character)) == UTF8PROC_CATEGORY_ND;
}

std::optional<double> parse_python_number(std::string_view text) {
  const std::optional<std::string> ascii = to_ascii(strip(text));
  if (!ascii || ascii->empty()) return {};
  std::string_view number = *ascii;
  const double sign = number.front() == '-' ? -1.0 : 1.0;
  if (number.front() == '-' || number.front() == '+') number.remove_prefix(1);
  if (number == "inf" || number == "infinity") {
    return sign * std::numeric_limits<double>::infinity();
  }
  if (number == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (number.empty() || !(is_ascii_digit(number.front()) || number.front() == '.')) return {};
  double value = 0;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value);
  if (stop != end) return {};
  if (error == std::errc::result_out_of_range)
    value = out_of_range(number);
  else if (error != std::errc{})
    return {};
  return sign * value;
}

}  // namespace indextts2
