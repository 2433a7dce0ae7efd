// The tiny golden model for tests on the real engine: random weights, so every segment is noise of
// a chosen length.
#pragma once

#include <cstdlib>
#include <string>

#include "player.h"

namespace player {

inline std::string test_setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

inline std::string tiny_folder() { return test_setting("INDEXTTS2_TINY_MODEL"); }

// The least work for a segment (50 codes, a prompt of 1 s), the same sound each time.
inline Properties tiny_model(std::initializer_list<Properties::Property> more) {
  Properties all({{"model-path", tiny_folder()},
                  {"voice", test_setting("INDEXTTS2_TINY_VOICE")},
                  {"max-prompt-duration", "1000000000"},
                  {"max-mel-tokens", "50"},
                  {"diffusion-steps", "4"},
                  {"seed", "1"}});
  all.all.insert(all.all.end(), more.begin(), more.end());
  return all;
}

}  // namespace player
