// Names of voices by content, so that the same clips are encoded once, whatever their paths.
#pragma once

#include <string>

#include "indextts2/engine.h"

namespace indextts2 {

// Names the content of the clips and the limits they are read with. Reads the files.
// Throws Error{kVoiceNotFound} naming the path and the reason.
std::string voice_key(const VoiceOptions& options);

}  // namespace indextts2
