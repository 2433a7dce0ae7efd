// The text that a stream starts with.
#pragma once

#include <vector>

#include "settings.h"

namespace indextts2 {

// text or the file of location; none when there is neither and `may_lack`: text comes later. A file
// whose letters cannot be spoken is an utterance with that error. Throws Error{kSettings,
// kNotFound, kOpenRead}.
std::vector<Utterance> programme_of(const Settings& settings, bool may_lack);

}  // namespace indextts2
