// Letter case.
#pragma once

#include <string>

namespace indextts2 {

// Appends the upper case of a character: "ß" gives "SS".
void append_upper(std::string* text, char32_t character);

// The simple lower case of a character, for comparisons that ignore case.
char32_t fold_case(char32_t character);

}  // namespace indextts2
