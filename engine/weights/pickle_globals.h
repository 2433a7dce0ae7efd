// The Python objects that a checkpoint may name.
#pragma once

#include <string_view>

namespace indextts2 {

// `name` ("module.object") itself, as a constant, if it is on the list; else empty. None of them is
// ever run.
std::string_view allowed_global(std::string_view name);

}  // namespace indextts2
