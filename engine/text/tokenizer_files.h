// Reading the files of a tokenizer's folder, and refusing what is in them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/error.h"

namespace indextts2 {

// The whole file. Throws Error{kNotFound}, and Error{kOpenRead} for one above 64 MiB or cut short.
std::string read_tokenizer_text(const std::string& path);
// The JSON object that is the file. Throws as above, and Error{kOpenRead} for anything else.
nlohmann::json read_tokenizer_object(const std::string& path);

// Throws Error{code}: "tokenizer `where`: expected `expected`, got `got`" and what to do.
[[noreturn]] void refuse_tokenizer(ErrorCode code, const std::string& where,
                                   const std::string& expected, const std::string& got);
// A value for a message, cut short.
std::string shown_json(const nlohmann::json& value);

}  // namespace indextts2
