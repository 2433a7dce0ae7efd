// The text that a stream starts with.
#pragma once

#include <optional>

#include "settings.h"

namespace indextts2 {

// text or the file of location; none when only the linked sink pad brings text. A file whose
// letters cannot be spoken is an utterance with that error. Throws Error{kSettings, kNotFound,
// kOpenRead}.
std::optional<Utterance> programme_of(const Settings& settings, bool pad_linked);

}  // namespace indextts2
