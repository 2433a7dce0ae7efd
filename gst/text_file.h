// Reads the text file that `location` names.
#pragma once

#include <cstddef>
#include <string>

namespace indextts2 {

// The text as UTF-8 with '\n' line ends. `location`: a path or a file:// URI, UTF-8 with or without
// byte order mark, or UTF-16 with one; bytes that are not valid UTF-8 stay as they are. `max_bytes`
// 0: no limit. Throws Error{kNotFound, kOpenRead, kTextTooLong, kTextDecode}.
std::string read_text_file(const std::string& location, size_t max_bytes);

}  // namespace indextts2
