// Numbers written as Python's float() takes them.
#pragma once

#include <optional>
#include <string_view>

namespace indextts2 {

// Whether `character` is a decimal digit of any script, as \d and float() have it.
bool is_decimal_digit(char32_t character);

// The number that `text` (valid UTF-8) is: white space around it, digits of any script, "_" between
// digits, an exponent, "inf", "infinity" and "nan" in any letter case. Too large: infinity.
std::optional<double> parse_python_number(std::string_view text);

}  // namespace indextts2
