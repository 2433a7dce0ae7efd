// UTF-8: validation, reading and writing of code points, character classes.
#include "text/utf8.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"

namespace indextts2 {
namespace {

unsigned char byte_at(std::string_view text, size_t at) {
  return static_cast<unsigned char>(text[at]);
}

bool is_continuation(std::string_view text, size_t at) {
  return at < text.size() && (byte_at(text, at) & 0xC0) == 0x80;
}

// Length of the character that starts at `at`; 0: not valid.
size_t valid_length(std::string_view text, size_t at) {
  const unsigned char lead = byte_at(text, at);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  for (size_t k = 1; k < length; ++k) {
    if (!is_continuation(text, at + k)) return 0;
  }
  const unsigned char second = byte_at(text, at + 1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool too_large = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

// Bytes at `at`, where no character is, that some character starts with; at least 1.
size_t start_length(std::string_view text, size_t at) {
  const unsigned char lead = byte_at(text, at);
  const size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  for (size_t length = 1; length < whole && at + length < text.size(); ++length) {
    std::string start(text.substr(at, length + 1));
    start.resize(whole, '\x80');
    if (valid_length(start, 0) == 0) return length;
  }
  return std::min(whole, text.size() - at);
}

bool between(char32_t character, char32_t low, char32_t high) {
  return low <= character && character <= high;
}

}  // namespace

void check_utf8(std::string_view text, const char* what) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = valid_length(text, at);
    if (length == 0) {
      char byte[8];
      std::snprintf(byte, sizeof byte, "0x%02X", byte_at(text, at));
      throw Error(ErrorCode::kTextDecode,
                  std::string(what) + ": byte " + byte + " at offset " + std::to_string(at) +
                      " is not valid UTF-8; convert the text to UTF-8 first");
    }
    at += length;
  }
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = valid_length(bytes, at);
    if (length > 0) {
      text += bytes.substr(at, length);
      at += length;
    } else {
      text += "\uFFFD";
      at += start_length(bytes, at);
    }
  }
  return text;
}

char32_t next_character(std::string_view text, size_t* at) {
  const unsigned char lead = byte_at(text, *at);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t character = length == 1 ? lead : lead & (0x7F >> length);
  for (size_t k = 1; k < length; ++k) character = character << 6 | (byte_at(text, *at + k) & 0x3F);
  *at += length;
  return character;
}

char32_t previous_character(std::string_view text, size_t at) {
  if (at == 0) return 0;
  size_t start = character_start(text, at - 1);
  return next_character(text, &start);
}

size_t character_start(std::string_view text, size_t at) {
  while (at > 0 && is_continuation(text, at)) --at;
  return at;
}

void append_character(std::string* text, char32_t character) {
  const auto put = [&](char32_t byte) { text->push_back(static_cast<char>(byte)); };
  const auto tail = [&](int shift) { put(0x80 | ((character >> shift) & 0x3F)); };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xC0 | character >> 6);
    tail(0);
  } else if (character < 0x10000) {
    put(0xE0 | character >> 12);
    tail(6);
    tail(0);
  } else {
    put(0xF0 | character >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_space(char32_t character) {
  return between(character, 0x09, 0x0D) || between(character, 0x1C, 0x20) || character == 0x85 ||
         character == 0xA0 || character == 0x1680 || between(character, 0x2000, 0x200A) ||
         character == 0x2028 || character == 0x2029 || character == 0x202F || character == 0x205F ||
         character == 0x3000;
}

bool is_han(char32_t character) { return between(character, 0x4E00, 0x9FFF); }

bool is_cjk(char32_t character) {
  return between(character, 0x1100, 0x11FF) || between(character, 0x2E80, 0xA4CF) ||
         between(character, 0xA840, 0xD7AF) || between(character, 0xF900, 0xFAFF) ||
         between(character, 0xFE30, 0xFE4F) || between(character, 0xFF65, 0xFFDC) ||
         between(character, 0x20000, 0x2FFFF);
}

bool is_ascii_letter(char32_t character) {
  return between(character, 'a', 'z') || between(character, 'A', 'Z');
}

bool is_ascii_digit(char32_t character) { return between(character, '0', '9'); }

std::string_view strip_end(std::string_view text) {
  while (!text.empty() && is_space(previous_character(text, text.size()))) {
    text = text.substr(0, character_start(text, text.size() - 1));
  }
  return text;
}

std::string_view strip(std::string_view text) {
  size_t begin = 0;
  for (size_t at = 0; at < text.size() && is_space(next_character(text, &at));) begin = at;
  return strip_end(text.substr(begin));
}

}  // namespace indextts2
