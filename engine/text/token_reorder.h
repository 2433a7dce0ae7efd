// The step between tagger and verbalizer: puts the members of each token into the order in which
// they are spoken.
#pragma once

#include <string>
#include <string_view>

#include "text/grammar.h"

namespace indextts2 {

// `tagged`: tokens `name { key: "value" key: "value" }` separated by spaces; values keep their
// backslash escapes. Returns the same tokens with reordered members (table in grammars/README.md),
// joined by single spaces. Throws Error{kInternal} when `tagged` is not of that form: the tagger
// and this parser do not fit together.
std::string reorder_tokens(std::string_view tagged, Language language);

}  // namespace indextts2
