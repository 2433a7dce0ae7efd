// UTF-8: validation, reading and writing of code points, and the character classes that the front
// end needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace indextts2 {

// Throws Error{kTextDecode} that names value and offset of the first byte that is not UTF-8.
// Refuses overlong forms, surrogates and code points above U+10FFFF. NUL is a valid character.
// `what` begins the message.
void check_utf8(std::string_view text, const char* what = "text");

// `bytes` with U+FFFD for what is not UTF-8, one for each byte or longest start of a character.
std::string replace_invalid_utf8(std::string_view bytes);

// All below take valid UTF-8; an offset is a number of bytes and must be the start of a character.

// The character at *at; moves *at behind it.
char32_t next_character(std::string_view text, size_t* at);
// The character that ends before `at`; 0 at the beginning.
char32_t previous_character(std::string_view text, size_t at);
// The largest start of a character that is not behind `at`.
size_t character_start(std::string_view text, size_t at);
void append_character(std::string* text, char32_t character);

// White space as Python's str.isspace() has it, U+001C to U+001F included.
bool is_space(char32_t character);
// A Chinese character of the range that decides about the language, U+4E00 to U+9FFF.
bool is_han(char32_t character);
// A character that is a word of its own: CJK, kana, Hangul and the marks and signs among them.
bool is_cjk(char32_t character);
bool is_ascii_letter(char32_t character);
bool is_ascii_digit(char32_t character);

// `text` without white space at its ends.
std::string_view strip(std::string_view text);
std::string_view strip_end(std::string_view text);

}  // namespace indextts2
